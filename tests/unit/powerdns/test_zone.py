"""The life of a zone on a real server."""

from __future__ import annotations

from typing import Any

import pytest

from components.powerdns.client import PowerDnsError
from components.powerdns.provider import ZoneProvider
from components.powerdns.record_sets_provider import RecordSetsProvider
from components.powerdns.shared import ZoneError
from tests.unit.powerdns.inputs import APEX, ZONE, checked, declared, some, zone
from tests.unit.powerdns.server import Server

PROVIDER = ZoneProvider()
WWW = {"www.ef-fr.dev. A": "300 192.0.2.1"}
APP = {"app.ef-fr.dev. A": "300 192.0.2.80"}
OWNED = checked(some(None, "app", APP))


def create(props: dict[str, Any]) -> dict[str, Any]:
    """Check and create, as the engine does; the outputs."""
    result = PROVIDER.check({}, props)
    assert not result.failures
    outputs = PROVIDER.create(result.inputs).outs
    assert outputs is not None
    return outputs


def update(olds: dict[str, Any], props: dict[str, Any]) -> dict[str, Any]:
    """Check, diff and update, as the engine does; the outputs."""
    result = PROVIDER.check(olds, props)
    assert not result.failures, result.failures[0].reason
    if not PROVIDER.diff(ZONE, olds, result.inputs).changes:
        return olds
    outputs = PROVIDER.update(ZONE, olds, result.inputs).outs
    assert outputs is not None
    return outputs


def changing(calls: list[str]) -> list[str]:
    """The calls that are there to change something."""
    return [call for call in calls if not call.startswith("GET ")]


def listed(server: Server) -> dict[str, list[str]]:
    return {
        f"{rrset['name']} {rrset['type']}": sorted(record["content"] for record in rrset["records"])
        for rrset in server.call("GET", f"/zones/{ZONE}")["rrsets"]
    }


def test_a_zone_is_made_in_one_call_and_served(powerdns: Server, calls: list[str]) -> None:
    calls.clear()
    outputs = create(zone(powerdns, WWW))
    assert changing(calls) == ["POST /zones"]
    assert powerdns.query("www.ef-fr.dev", "A")[0][0].to_text() == "192.0.2.1"
    assert powerdns.query("ef-fr.dev", "SOA")[0][0].serial == outputs["serial"]
    assert outputs["foreign"] == {}
    read = PROVIDER.read(ZONE, outputs)
    assert read.outs == outputs
    assert not PROVIDER.diff(ZONE, outputs, PROVIDER.check(outputs, zone(powerdns, WWW)).inputs).changes


def test_a_change_is_one_patch_with_deletions_first(powerdns: Server, calls: list[str]) -> None:
    olds = create(zone(powerdns, WWW))
    calls.clear()
    news = update(olds, zone(powerdns, {"www.ef-fr.dev CNAME": "300 a.example.", "a.ef-fr.dev A": "300 192.0.2.2"}))
    assert changing(calls) == [f"PATCH /zones/{ZONE}"]
    assert news["serial"] == olds["serial"] + 1
    assert listed(powerdns).keys() == {*APEX, "a.ef-fr.dev. A", "www.ef-fr.dev. CNAME"}


def test_a_changed_soa_goes_on_from_the_present_serial(powerdns: Server) -> None:
    olds = create(zone(powerdns))
    for number in range(3):
        powerdns.set(ZONE, "x.ef-fr.dev.", "A", f"192.0.2.{number}")
    soa = APEX["ef-fr.dev. SOA"].replace("1209600", "604800")
    news = update(olds, zone(powerdns, {"ef-fr.dev. SOA": soa}))
    assert news["serial"] == olds["serial"] + 4


def test_a_new_key_or_address_sends_nothing(powerdns: Server, calls: list[str]) -> None:
    olds = create(zone(powerdns, WWW))
    calls.clear()
    news = update(olds, zone(powerdns, WWW, apiKey="another", apiUrl="https://elsewhere:8081", allowBulkChange=True))
    assert news["apiKey"] == "another"
    assert calls == []


def test_drift_shows_record_by_record_and_is_mended(powerdns: Server) -> None:
    olds = create(zone(powerdns, {**WWW, "gone.ef-fr.dev. A": "300 192.0.2.1"}))
    powerdns.set(ZONE, "www.ef-fr.dev.", "A", "192.0.2.66", ttl=7)
    powerdns.set(ZONE, "gone.ef-fr.dev.", "A")
    powerdns.set(ZONE, "hand.ef-fr.dev.", "TXT", '"made by hand"')
    read = PROVIDER.read(ZONE, olds)
    assert read.inputs is not None
    assert read.outs is not None
    assert declared(read.inputs) == {**APEX, "www.ef-fr.dev. A": "7 192.0.2.66"}
    assert read.outs["foreign"] == {"hand.ef-fr.dev. TXT": '300 "made by hand"'}
    news = update(read.outs, zone(powerdns, {**WWW, "gone.ef-fr.dev. A": "300 192.0.2.1"}))
    assert news["foreign"] == read.outs["foreign"]
    again = PROVIDER.read(ZONE, news)
    assert again.outs == news
    assert "hand.ef-fr.dev. TXT" in listed(powerdns)


def test_a_strict_zone_claims_all_but_what_others_own(powerdns: Server) -> None:
    olds = create(zone(powerdns, WWW))
    powerdns.set(ZONE, "hand.ef-fr.dev.", "A", "192.0.2.9")
    RecordSetsProvider().create({**OWNED, "apiUrl": powerdns.api_url})
    news = update(olds, zone(powerdns, WWW, strict=True))
    assert listed(powerdns).keys() == {*APEX, *WWW, "app.ef-fr.dev. A"}
    assert news["foreign"] == APP
    powerdns.set(ZONE, "hand.ef-fr.dev.", "A", "192.0.2.9")
    read = PROVIDER.read(ZONE, news)
    assert declared(read.inputs).keys() == {*APEX, *WWW, "hand.ef-fr.dev. A"}


def test_adoption(powerdns: Server, calls: list[str]) -> None:
    create(zone(powerdns, {**WWW, "old.ef-fr.dev. A": "300 192.0.2.1"}, account="others"))
    with pytest.raises(ZoneError, match=r"exists on .* \(account 'others'\)\. Adopt it with adopt=True"):
        create(zone(powerdns, WWW))
    calls.clear()
    outputs = create(zone(powerdns, {"www.ef-fr.dev. A": "300 192.0.2.2"}, adopt=True))
    assert changing(calls) == ["POST /zones", f"PUT /zones/{ZONE}", f"PATCH /zones/{ZONE}"]
    assert outputs["foreign"] == {"old.ef-fr.dev. A": "300 192.0.2.1"}
    assert listed(powerdns)["www.ef-fr.dev. A"] == ["192.0.2.2"]


def test_adoption_of_a_large_zone_has_the_brake(powerdns: Server) -> None:
    hosts = {f"h{number}.ef-fr.dev. A": "300 192.0.2.1" for number in range(9)}
    create(zone(powerdns, hosts, account="others"))
    changed = dict.fromkeys(hosts, "300 192.0.2.2")
    with pytest.raises(ZoneError, match="9 of 12 record sets"):
        create(zone(powerdns, changed, adopt=True))
    create(zone(powerdns, changed, adopt=True, allowBulkChange=True))
    assert listed(powerdns)["h0.ef-fr.dev. A"] == ["192.0.2.2"]


def test_what_a_run_that_was_cut_short_left_behind_is_taken_over(powerdns: Server) -> None:
    create(zone(powerdns, WWW))
    assert create(zone(powerdns, WWW))["foreign"] == {}


def test_properties(powerdns: Server, calls: list[str]) -> None:
    olds = create(zone(powerdns, kind="Primary", metadata={"ALLOW-AXFR-FROM": ["192.0.2.0/24"]}))
    assert powerdns.call("GET", f"/zones/{ZONE}")["kind"] == "Master"
    calls.clear()
    news = update(olds, zone(powerdns, kind="Native", soaEditApi="EPOCH", metadata={"ALSO-NOTIFY": ["192.0.2.2"]}))
    path = f"/zones/{ZONE}"
    assert changing(calls) == [
        f"PUT {path}",
        f"DELETE {path}/metadata/ALLOW-AXFR-FROM",
        f"PUT {path}/metadata/ALSO-NOTIFY",
    ]
    assert PROVIDER.read(ZONE, news).outs == news
    powerdns.call("PUT", path, {"kind": "Primary"})
    read = PROVIDER.read(ZONE, news)
    assert read.inputs is not None
    assert read.inputs["kind"] == "Primary"


def test_a_primary_notifies_at_once(powerdns: Server, calls: list[str]) -> None:
    olds = create(zone(powerdns, kind="Primary"))
    calls.clear()
    update(olds, zone(powerdns, WWW, kind="Primary"))
    assert changing(calls) == [f"PATCH /zones/{ZONE}", f"PUT /zones/{ZONE}/notify"]


def test_dnssec(powerdns: Server) -> None:
    olds = create(zone(powerdns, dnssec=True))
    assert {record.split()[2] for record in olds["ds"]} >= {"2"}
    assert powerdns.query("ef-fr.dev", "DNSKEY")
    assert PROVIDER.read(ZONE, olds).outs == olds
    news = update(olds, zone(powerdns))
    assert news["ds"] == []
    assert not powerdns.query("ef-fr.dev", "DNSKEY")
    assert update(news, zone(powerdns, dnssec=True))["ds"]


def test_a_secondary_zone(powerdns: Server) -> None:
    props = zone(powerdns, kind="Secondary", masters=["127.0.0.1:9"], recordSets={})
    outputs = create(props)
    assert PROVIDER.read(ZONE, outputs).outs == outputs
    assert update(outputs, {**props, "masters": ["127.0.0.2:9"]})["masters"] == ["127.0.0.2:9"]
    assert powerdns.call("GET", f"/zones/{ZONE}")["masters"] == ["127.0.0.2:9"]


def test_masters_are_read_back_as_they_were_declared(powerdns: Server) -> None:
    written = [
        "192.0.2.1:53",
        "192.0.2.2:5300",
        "[2001:DB8:0::1]:53",
        "2001:db8:0:0::2",
        "[2001:0db8::3]:5300",
        "[2001:db8::4]",
        "::ffff:192.0.2.5",
    ]
    props = zone(powerdns, kind="Secondary", masters=written, recordSets={})
    outputs = create(props)
    assert outputs["masters"][:5] == [
        "192.0.2.1",
        "192.0.2.2:5300",
        "2001:db8::1",
        "2001:db8::2",
        "[2001:db8::3]:5300",
    ]
    read = PROVIDER.read(ZONE, outputs)
    assert read.outs == outputs
    assert update(outputs, {**props, "masters": outputs["masters"]}) is outputs


def test_another_name_replaces_the_zone() -> None:
    diff = PROVIDER.diff(ZONE, zone(None), zone(None, zone="ef-fr.io."))
    assert diff.replaces == ["zone"]


def test_removal(powerdns: Server) -> None:
    outputs = create(zone(powerdns))
    RecordSetsProvider().create({**OWNED, "apiUrl": powerdns.api_url})
    with pytest.raises(ZoneError, match="holds record sets of app"):
        PROVIDER.delete(ZONE, outputs)
    RecordSetsProvider().delete("", {**OWNED, "apiUrl": powerdns.api_url})
    PROVIDER.delete(ZONE, outputs)
    assert powerdns.zones() == []
    PROVIDER.delete(ZONE, outputs)
    read = PROVIDER.read(ZONE, outputs)
    assert (read.id, read.outs) == ("", {})


def test_a_zone_that_is_gone(powerdns: Server) -> None:
    olds = create(zone(powerdns))
    powerdns.clear()
    with pytest.raises(PowerDnsError, match="HTTP 404"):
        update(olds, zone(powerdns, WWW))
    with pytest.raises(ZoneError, match="run `pulumi refresh`"):
        update(olds, zone(powerdns, WWW, strict=True))
