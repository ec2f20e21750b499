"""Property values on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2

from lab.plugins import wire
from lab.plugins.base import UNKNOWN, ResourceError


@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        pytest.param({"s": "text", "i": 3, "f": 1.5, "b": True, "n": None}, {}, id="scalars"),
        pytest.param({"l": [1, [2]], "m": {"k": {"x": "y"}}, "e": {}, "a": []}, {}, id="containers"),
        pytest.param({"u": UNKNOWN, "m": {"l": [UNKNOWN]}}, {}, id="unknown, nested too"),
        pytest.param({"p": "hunter2"}, {"p": True}, id="secret"),
        pytest.param(
            {"m": {"p": "x", "q": "y"}, "l": ["a", "b"]}, {"m": {"p": True}, "l": {1: True}}, id="nested secret"
        ),
        pytest.param({"u": UNKNOWN}, {"u": True}, id="unknown secret"),
        pytest.param({"m": {"p": "x"}}, {"m": True}, id="secret container"),
    ],
)
def test_round_trip(values: dict[str, Any], secrets: wire.Secrets) -> None:
    assert wire.decode_map(wire.encode_map(values, secrets)) == (values, secrets)


def test_whole_numbers_are_integers() -> None:
    decoded, _ = wire.decode_map(wire.encode_map({"n": 2.0}))
    assert type(decoded["n"]) is int


def test_a_secret_place_that_changed_its_shape_makes_the_value_secret() -> None:
    _, secrets = wire.decode_map(wire.encode_map({"m": "now text"}, {"m": {"p": True}}))
    assert secrets == {"m": True}


def test_lists_with_a_secret_are_secret_as_a_whole_in_outputs() -> None:
    assert wire.widen({"m": {"l": {0: True}}, "k": {"p": True}}) == {"m": {"l": True}, "k": {"p": True}}


def test_merge() -> None:
    assert wire.merge({"a": True, "b": {"x": True}}, {"b": {"y": True}, "c": True}) == {
        "a": True,
        "b": {"x": True, "y": True},
        "c": True,
    }
    assert wire.merge({"a": {"x": True}}, {"a": True}) == {"a": True}


@pytest.mark.parametrize(
    "signature",
    ["c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7", "5cf8f73096256a8f31e491e813e4eb8e"],
    ids=["asset", "archive", "resource"],
)
def test_assets_are_refused_with_their_place(signature: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"files": [{wire.SIGNATURE: signature, "path": "x"}]})
    with pytest.raises(ResourceError, match=r"files\[0\].*no assets"):
        wire.decode_map(struct)


def test_redact_knows_the_lines_of_a_key() -> None:
    values = {"key": "-----BEGIN-----\nAAAABBBBCCCC\n-----END-----\n", "short": "ab", "host": "h"}
    texts = wire.secret_texts(values, {"key": True, "short": True})
    assert wire.redact("line AAAABBBBCCCC at h, ab", texts) == "line [secret] at h, ab"


def test_some_parts_of_a_secret_may_show() -> None:
    values = {"connection": {"host": "example.org", "proxy": {"host": "proxy.org", "password": "hunter2"}}}
    shown = frozenset({"connection.host", "connection.proxy.host"})
    assert set(wire.secret_texts(values, {"connection": True}, shown)) == {"hunter2"}
