"""What the resources hand to their providers, and what of it reaches the state."""

from __future__ import annotations

import base64
from typing import Any

import pulumi
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from components.powerdns import Connection, RecordSet, RecordSets, RecordSetsArgs, Soa, Zone, ZoneArgs
from components.powerdns.provider import ZoneProvider
from components.powerdns.record_sets_provider import RecordSetsProvider
from components.powerdns.tsig_provider import TsigKeyProvider
from tests.unit.powerdns.inputs import APEX, declared

CONNECTION = Connection("https://pdns:8081", "a-key")


class Mocks(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.resources: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.resources.append(args)
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris")
    return mocks


def _inputs(mocks: Mocks) -> dict[str, Any]:
    """What was registered, without secrets' wrapping; the key must have one, though it was given in clear."""
    inputs = mocks.resources[0].inputs
    assert is_rpc_secret(inputs["apiKey"])
    return {key: unwrap_rpc_secret(value) for key, value in inputs.items()}


def test_zone(mocks: Mocks) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[Any]:
        args = ZoneArgs(
            CONNECTION,
            "EF-fr.dev",
            nameservers=["ns1.ef-fr.dev"],
            soa=Soa(mailbox="dns.admin@ef-fr.dev"),
            record_sets=[
                RecordSet("ns1.ef-fr.dev", "A", ["192.0.2.53"]),
                RecordSet("www.ef-fr.dev", "A", [pulumi.Output.from_input("192.0.2.1"), "192.0.2.2"], ttl=60),
            ],
        )
        return Zone("zone", args).urn

    program()
    inputs = _inputs(mocks)
    assert mocks.resources[0].typ == "pulumi-python:dynamic/powerdns:Zone"
    assert inputs["account"] == "oss-nextgen/paris"
    checked = ZoneProvider().check({}, {key: inputs[key] for key in ZoneProvider.INPUTS})
    assert not checked.failures
    assert declared(checked.inputs) == {
        **APEX,
        "ef-fr.dev. SOA": "3600 ns1.ef-fr.dev. dns\\.admin.ef-fr.dev. 0 10800 3600 1209600 3600",
        "www.ef-fr.dev. A": "60 192.0.2.1\n60 192.0.2.2",
    }


def test_record_sets(mocks: Mocks) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[Any]:
        record_sets = [RecordSet("mail.ef-fr.dev", "TXT", ["v=spf1 -all"])]
        return RecordSets("mail", RecordSetsArgs(CONNECTION, "ef-fr.dev", record_sets)).urn

    program()
    inputs = _inputs(mocks)
    assert inputs["owner"] == "oss-nextgen.paris.mail"
    checked = RecordSetsProvider().check({}, inputs)
    assert not checked.failures
    assert declared(checked.inputs) == {"mail.ef-fr.dev. TXT": '3600 "v=spf1 -all"'}


def test_a_line_break_in_a_record() -> None:
    with pytest.raises(pulumi.RunError, match="line break"):
        _ = RecordSet("a.ef-fr.dev", "TXT", ["one\ntwo"]).text


def test_one_name_and_type_twice(mocks: Mocks) -> None:
    one = RecordSet("a.ef-fr.dev", "A", ["192.0.2.1"])
    with pytest.raises(pulumi.RunError, match=r"a\.ef-fr\.dev A is declared twice"):
        RecordSets("twice", RecordSetsArgs(CONNECTION, "ef-fr.dev", [one, one]))


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        (ZoneProvider(), b"components.powerdns.provider\x94\x8c\x0cZoneProvider"),
        (RecordSetsProvider(), b"components.powerdns.record_sets_provider\x94\x8c\x12RecordSetsProvider"),
        (TsigKeyProvider(), b"components.powerdns.tsig_provider\x94\x8c\x0fTsigKeyProvider"),
    ],
)
def test_the_state_names_the_provider_and_holds_no_code(provider: pulumi.dynamic.ResourceProvider, path: bytes) -> None:
    """Moving or renaming a provider breaks every state that has one."""
    pickled = base64.b64decode(serialize_provider(provider))
    assert path in pickled
    assert len(pickled) < 120
