"""The random plugin."""

from __future__ import annotations

import base64
import string
import uuid

import bcrypt
import pytest

from lab.plugins.base import UNKNOWN, Call, Props, ResourceError
from lab.plugins.random.identifiers import RandomId, RandomUuid
from lab.plugins.random.text import SPECIAL, RandomPassword, RandomString


def count(text: str, characters: str) -> int:
    return sum(character in characters for character in text)


@pytest.mark.parametrize("kind", [RandomString(), RandomPassword()])
def test_minimums_and_classes(kind: RandomString, call: Call) -> None:
    inputs = {"length": 12, "minUpper": 2, "minLower": 2, "minNumeric": 3, "minSpecial": 4, "overrideSpecial": "_"}
    _, outputs = kind.create(inputs, call)
    result = outputs["result"]
    assert len(result) == 12
    assert count(result, string.ascii_uppercase) >= 2
    assert count(result, string.ascii_lowercase) >= 2
    assert count(result, string.digits) >= 3
    assert count(result, "_") >= 4
    assert count(result, SPECIAL.replace("_", "")) == 0


@pytest.mark.parametrize(
    ("inputs", "allowed"),
    [
        ({"special": False}, string.ascii_letters + string.digits),
        ({"numeric": False, "special": False}, string.ascii_letters),
        ({"number": False, "special": False}, string.ascii_letters),
        ({"upper": False, "lower": False, "special": False}, string.digits),
        ({}, string.ascii_letters + string.digits + SPECIAL),
    ],
)
def test_only_allowed_characters(inputs: Props, allowed: str, call: Call) -> None:
    _, outputs = RandomString().create({"length": 200, **inputs}, call)
    assert count(outputs["result"], allowed) == 200


def test_password_has_its_hash_and_no_telling_id(call: Call) -> None:
    name, outputs = RandomPassword().create({"length": 20}, call)
    assert name == "none"
    assert outputs["bcryptHash"].startswith("$2a$10$")
    assert bcrypt.checkpw(outputs["result"].encode(), outputs["bcryptHash"].encode())


def test_bcrypt_sees_the_first_72_bytes(call: Call) -> None:
    _, outputs = RandomPassword().create({"length": 100}, call)
    assert bcrypt.checkpw(outputs["result"].encode()[:72], outputs["bcryptHash"].encode())


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        pytest.param({"length": 0}, "length", id="too short"),
        pytest.param({"length": 3, "minUpper": 2, "minLower": 2}, "length", id="shorter than its minimums"),
        pytest.param({"length": 3, "minUpper": -1}, "minUpper", id="negative minimum"),
        pytest.param({"length": 3, "number": True, "numeric": False}, "number", id="number contradicts numeric"),
        pytest.param(
            {"length": 3, "upper": False, "lower": False, "numeric": False, "special": False}, "", id="nothing"
        ),
    ],
)
def test_refusals(inputs: Props, where: str, call: Call) -> None:
    _, failures = RandomPassword().check(inputs, None, call)
    assert [failure.property for failure in failures] == [where]


def test_unknown_length_passes(call: Call) -> None:
    assert RandomPassword().check({"length": UNKNOWN}, None, call)[1] == []


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        pytest.param({"length": 8}, {"length": 8, "special": True, "minUpper": 0, "keepers": {}}, set(), id="defaults"),
        pytest.param({"length": 8}, {"length": 9}, {"length"}, id="length"),
        pytest.param(
            {"length": 8, "keepers": {"a": "1"}}, {"length": 8, "keepers": {"a": "2"}}, {"keepers.a"}, id="keepers"
        ),
    ],
)
def test_every_change_replaces(old: Props, new: Props, changed: set[str], call: Call) -> None:
    diff = RandomPassword().diff(old, {}, new, call)
    assert diff.changes.keys() == changed
    assert all(change.replace for change in diff.changes.values())


def test_import_then_no_change(call: Call) -> None:
    name, inputs, outputs = RandomPassword().read("correct horse", {}, {}, call)
    assert name == "none"
    assert outputs["result"] == "correct horse"
    assert bcrypt.checkpw(b"correct horse", outputs["bcryptHash"].encode())
    assert not RandomPassword().diff(inputs, outputs, {"length": 13}, call).changes


def test_refresh_keeps_the_value(call: Call) -> None:
    inputs = {"length": 9}
    name, outputs = RandomString().create(inputs, call)
    assert RandomString().read(name, inputs, outputs, call) == (name, inputs, outputs)


def test_id_in_all_notations(call: Call) -> None:
    name, outputs = RandomId().create({"byteLength": 6, "prefix": "p-"}, call)
    drawn = base64.urlsafe_b64decode(name)
    assert outputs["hex"] == f"p-{drawn.hex()}"
    assert outputs["dec"] == f"p-{int.from_bytes(drawn, 'big')}"
    assert outputs["b64Url"] == f"p-{name}"
    imported, inputs, again = RandomId().read(f"p-,{name}", {}, {}, call)
    assert (imported, inputs, again) == (name, {"byteLength": 6, "prefix": "p-"}, outputs)


def test_id_needs_a_byte(call: Call) -> None:
    assert RandomId().check({"byteLength": 0}, None, call)[1][0].property == "byteLength"


def test_uuid(call: Call) -> None:
    name, outputs = RandomUuid().create({}, call)
    assert uuid.UUID(name).version == 4
    assert RandomUuid().read(name, {}, {}, call) == (name, {}, outputs)
    with pytest.raises(ResourceError, match="'x' is not"):
        RandomUuid().read("x", {}, {}, call)
