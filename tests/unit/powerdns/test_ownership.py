"""Record sets of one program in the zone of another: each has one owner, and nobody removes another's."""

from __future__ import annotations

from typing import Any

import pytest

from components.powerdns.ownership import OwnershipError
from components.powerdns.provider import ZoneProvider
from components.powerdns.record_sets_provider import RecordSetsProvider
from components.powerdns.shared import ZoneError
from tests.unit.powerdns.inputs import APEX, ZONE, checked, declared, some, zone
from tests.unit.powerdns.server import Server

PROVIDER = RecordSetsProvider()
MAIL = {"mail.ef-fr.dev. A": "300 192.0.2.25", "mail.ef-fr.dev. TXT": '300 "v=spf1 a -all"'}
OTHER = {"chat.ef-fr.dev. A": "300 192.0.2.52"}


@pytest.fixture
def server(powerdns: Server) -> Server:
    """A server with a zone of the platform's."""
    ZoneProvider().create(checked(zone(powerdns)))
    return powerdns


def create(server: Server, owner: str, record_sets: dict[str, Any]) -> dict[str, Any]:
    outputs = PROVIDER.create(checked(some(server, owner, record_sets))).outs
    assert outputs is not None
    return outputs


def listed(server: Server) -> set[str]:
    return {f"{rrset['name']} {rrset['type']}" for rrset in server.call("GET", f"/zones/{ZONE}")["rrsets"]}


def claims(server: Server) -> dict[str, list[str]]:
    metadata = server.call("GET", f"/zones/{ZONE}/metadata")
    return {item["kind"]: item["metadata"] for item in metadata if item["kind"].startswith("X-OWNER-")}


def test_life(server: Server) -> None:
    outputs = create(server, "maddy", MAIL)
    assert listed(server) == {*APEX, *MAIL}
    assert claims(server) == {"X-OWNER-maddy": sorted(MAIL)}
    assert PROVIDER.read("", outputs).outs == outputs
    news = checked(some(server, "maddy", {**OTHER, "mail.ef-fr.dev. A": "60 192.0.2.26"}))
    updated = PROVIDER.update("", outputs, news).outs
    assert updated is not None
    assert listed(server) == {*APEX, *OTHER, "mail.ef-fr.dev. A"}
    assert claims(server) == {"X-OWNER-maddy": sorted(declared(news))}
    PROVIDER.delete("", updated)
    assert listed(server) == set(APEX)
    assert claims(server) == {}


def test_two_owners_of_one_name_and_type(server: Server) -> None:
    create(server, "maddy", MAIL)
    with pytest.raises(OwnershipError, match=r"mail\.ef-fr\.dev\. A belongs to maddy"):
        create(server, "postfix", {**OTHER, "mail.ef-fr.dev. A": "300 192.0.2.99"})
    assert listed(server) == {*APEX, *MAIL}
    assert claims(server) == {"X-OWNER-maddy": sorted(MAIL)}


def test_a_record_set_that_the_zone_declares(server: Server) -> None:
    with pytest.raises(OwnershipError, match=r"ns1\.ef-fr\.dev\. A exists already"):
        create(server, "maddy", {**MAIL, "ns1.ef-fr.dev. A": "300 192.0.2.1"})
    assert listed(server) == set(APEX)
    assert claims(server) == {}


def test_the_zone_does_not_take_what_another_owns(server: Server) -> None:
    create(server, "maddy", MAIL)
    olds = {**checked(zone(server)), "serial": 0, "foreign": {}, "ds": []}
    with pytest.raises(OwnershipError, match="belongs to maddy"):
        ZoneProvider().update(ZONE, olds, checked(zone(server, MAIL)))


@pytest.mark.parametrize("takeover", [{"adopt": True}, {"adopt": True, "strict": True}, {"importId": ZONE}])
@pytest.mark.parametrize("changed", [False, True])
def test_a_zone_that_is_taken_over_keeps_its_owners(server: Server, takeover: dict[str, Any], changed: bool) -> None:
    """Whether the record set is declared as its owner has it, or in another way."""
    create(server, "maddy", MAIL)
    server.call("PUT", f"/zones/{ZONE}", {"account": "others"})
    declared_too = {**MAIL, "mail.ef-fr.dev. A": "300 192.0.2.99"} if changed else MAIL
    with pytest.raises((OwnershipError, ZoneError), match=r"belongs to maddy|is not as declared"):
        ZoneProvider().create(checked(zone(server, declared_too, **takeover)))
    found = server.call("GET", f"/zones/{ZONE}")
    assert found["account"] == "others"
    assert server.query("mail.ef-fr.dev", "A")[0][0].to_text() == "192.0.2.25"
    assert claims(server) == {"X-OWNER-maddy": sorted(MAIL)}


@pytest.mark.parametrize("strict", [False, True])
def test_the_zone_does_not_change_what_another_owns(server: Server, strict: bool) -> None:
    """It has declared the record set before, so that for the zone this is no new one."""
    create(server, "maddy", MAIL)
    olds = {**checked(zone(server, MAIL, strict=strict)), "serial": 0, "foreign": {}, "ds": []}
    news = zone(server, {**MAIL, "mail.ef-fr.dev. A": "300 192.0.2.99"}, account="others", strict=strict)
    with pytest.raises(OwnershipError, match=r"mail\.ef-fr\.dev\. A belongs to maddy"):
        ZoneProvider().update(ZONE, olds, checked(news))
    assert server.query("mail.ef-fr.dev", "A")[0][0].to_text() == "192.0.2.25"
    assert server.call("GET", f"/zones/{ZONE}")["account"] == "tests"
    ZoneProvider().update(ZONE, olds, checked(zone(server, OTHER, strict=strict)))
    assert listed(server) == {*APEX, *MAIL, *OTHER}


def test_an_owner_removes_only_its_own(server: Server) -> None:
    outputs = create(server, "maddy", MAIL)
    create(server, "chat", OTHER)
    PROVIDER.delete("", checked({**outputs, "recordSets": {**MAIL, **OTHER}}))
    assert listed(server) == {*APEX, *OTHER}
    assert claims(server) == {"X-OWNER-chat": sorted(OTHER)}


def test_a_run_that_was_cut_short_goes_on(server: Server) -> None:
    create(server, "maddy", MAIL)
    assert declared(create(server, "maddy", MAIL)) == MAIL
    assert listed(server) == {*APEX, *MAIL}


def test_drift_and_loss(server: Server) -> None:
    outputs = create(server, "maddy", MAIL)
    server.set(ZONE, "mail.ef-fr.dev.", "A", "192.0.2.66")
    server.set(ZONE, "mail.ef-fr.dev.", "TXT")
    read = PROVIDER.read("id", outputs)
    assert declared(read.inputs) == {"mail.ef-fr.dev. A": "300 192.0.2.66"}
    server.set(ZONE, "mail.ef-fr.dev.", "A")
    assert PROVIDER.read("id", outputs).id == ""
    server.clear()
    assert PROVIDER.read("id", outputs).id == ""
    PROVIDER.delete("id", outputs)


def test_a_zone_that_is_not_there(powerdns: Server) -> None:
    with pytest.raises(ZoneError, match=r"no zone ef-fr\.dev\."):
        create(powerdns, "maddy", MAIL)


def test_a_copy_of_a_zone_is_left_to_its_masters(server: Server) -> None:
    outputs = create(server, "maddy", MAIL)
    server.call("PUT", f"/zones/{ZONE}", {"kind": "Secondary", "masters": ["192.0.2.1", "192.0.2.2:5300"]})
    with pytest.raises(ZoneError, match=r"is a copy, fetched from 192\.0\.2\.1, 192\.0\.2\.2:5300: "):
        create(server, "chat", OTHER)
    with pytest.raises(ZoneError, match="is a copy"):
        PROVIDER.update("", outputs, checked(some(server, "maddy", OTHER)))
    assert claims(server) == {"X-OWNER-maddy": sorted(MAIL)}
    PROVIDER.delete("", outputs)
    assert listed(server) == {*APEX, *MAIL}
    assert claims(server) == {}


def test_a_new_key_sends_nothing(server: Server, calls: list[str]) -> None:
    outputs = create(server, "maddy", MAIL)
    calls.clear()
    news = checked(some(server, "maddy", MAIL, apiKey="another"))
    assert PROVIDER.diff("", outputs, news).changes
    updated = PROVIDER.update("", outputs, news).outs
    assert updated is not None
    assert updated["apiKey"] == "another"
    assert calls == []


def test_copies_of_the_zone_are_told_at_once(powerdns: Server, calls: list[str]) -> None:
    ZoneProvider().create(checked(zone(powerdns, kind="Primary")))
    told = f"PUT /zones/{ZONE}/notify"
    calls.clear()
    outputs = create(powerdns, "maddy", MAIL)
    assert calls.count(told) == 1
    PROVIDER.delete("", outputs)
    assert calls.count(told) == 2


def test_another_owner_or_zone_replaces_and_removes_first() -> None:
    diff = PROVIDER.diff("", some(None, "a", MAIL), some(None, "b", MAIL))
    assert (diff.replaces, diff.delete_before_replace) == (["owner"], True)
