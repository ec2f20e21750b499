"""What must be sent to get from some record sets to others, and when that is too much."""

from __future__ import annotations

import pytest
from pulumi.output import Unknown

from components.powerdns import record_sets
from components.powerdns.provider import ZoneProvider
from components.powerdns.record_sets import RRset, of_input
from tests.unit.powerdns.inputs import APEX, ZONE, checked, declared, zone

UNKNOWN = Unknown()  # type: ignore[no-untyped-call]  # the SDK has no types here


def test_normal_form_is_sorted_and_stays() -> None:
    inputs = {"WWW.ef-fr.dev a": "300 192.0.2.2\n300 192.0.2.1", "@ txt": "0060 hello"}
    normal, rrsets, refusals = record_sets.normalise(ZONE, inputs, {})
    assert not refusals
    assert list(normal.items()) == [
        ("ef-fr.dev. TXT", '60 "hello"'),
        ("www.ef-fr.dev. A", "300 192.0.2.1\n300 192.0.2.2"),
    ]
    again = record_sets.normalise(ZONE, normal, normal)
    assert again == (normal, sorted(rrsets, key=lambda rrset: rrset.key), [])


def test_values_that_a_preview_does_not_know() -> None:
    inputs = zone(None, {"www.ef-fr.dev A": UNKNOWN, "WWW.ef-fr.dev A": "300 192.0.2.1"})
    assert "declared-twice" in ZoneProvider().check({}, inputs).failures[0].reason
    olds = checked(zone(None, {"www.ef-fr.dev. A": "300 192.0.2.1"}))
    result = ZoneProvider().check(olds, zone(None, {"www.ef-fr.dev A": UNKNOWN}))
    assert not result.failures
    assert declared(result.inputs)["www.ef-fr.dev. A"] == "[unknown]"
    assert ZoneProvider().diff(ZONE, olds, result.inputs).changes
    result = ZoneProvider().check({}, zone(None, kind="Secondary", masters=[UNKNOWN, "192.0.2.1:53"], recordSets={}))
    assert not result.failures
    assert result.inputs["masters"] == [UNKNOWN, "192.0.2.1"]


def test_plan_sends_what_changed_with_deletions_first() -> None:
    before = of_input('{"a. A": "300 192.0.2.1", "b. A": "300 192.0.2.1", "c. A": "300 192.0.2.1"}')
    after = of_input('{"a. A": "300 192.0.2.1", "b. CNAME": "300 a.", "c. A": "60 192.0.2.1"}')
    changes = record_sets.plan(before, after)
    assert [(change["changetype"], change["name"], change["type"]) for change in changes] == [
        ("DELETE", "b.", "A"),
        ("REPLACE", "b.", "CNAME"),
        ("REPLACE", "c.", "A"),
    ]
    assert not record_sets.plan(before, before)


def test_a_soa_keeps_its_serial() -> None:
    [change] = record_sets.with_serial(record_sets.plan({}, of_input('{"x. SOA": "60 a. b. 0 1 2 3 4"}')), 2026010203)
    assert change["records"] == [{"content": "a. b. 2026010203 1 2 3 4", "disabled": False}]


def test_records_that_are_disabled_do_not_count() -> None:
    record = {"content": "192.0.2.1", "disabled": True}
    listed = [
        {"name": "A.x.", "type": "A", "ttl": 60, "records": [record, {"content": "192.0.2.2", "disabled": False}]}
    ]
    assert record_sets.of_api(listed) == {"a.x. A": RRset("a.x.", "A", 60, ("192.0.2.2",))}
    assert record_sets.of_api([{**listed[0], "records": [record]}]) == {}


@pytest.mark.parametrize(
    ("size", "changed", "refused"), [(9, 9, False), (10, 3, False), (10, 4, True), (100, 31, True)]
)
def test_brake(size: int, changed: int, refused: bool) -> None:
    before = {f"h{number}.ef-fr.dev. A": "300 192.0.2.1" for number in range(size)}
    keys = list(before)[:changed]
    assert bool(record_sets.brake(before, {key: before[key] for key in before if key not in keys})) is refused
    assert bool(record_sets.brake(before, {**before, **dict.fromkeys(keys, "300 192.0.2.2")})) is refused
    assert record_sets.brake(before, {**before, **dict.fromkeys(keys, record_sets.UNKNOWN)}) is None
    assert record_sets.brake(before, {**before, **{f"new{key}": "x" for key in before}}) is None


def test_the_brake_is_a_refusal_in_the_preview() -> None:
    hosts = {f"h{number}.ef-fr.dev. A": "300 192.0.2.1" for number in range(17)}
    olds, news = checked(zone(None, hosts)), zone(None)
    [failure] = ZoneProvider().check(olds, news).failures
    assert "17 of 20 record sets would be deleted or changed (h0.ef-fr.dev. A, " in failure.reason
    assert not ZoneProvider().check(olds, {**news, "allowBulkChange": True}).failures
    assert not ZoneProvider().check(olds, {**news, "zone": "ef-fr.io", "recordSets": _moved(APEX)}).failures


def _moved(mapping: dict[str, str]) -> dict[str, str]:
    return {
        key.replace("ef-fr.dev", "ef-fr.io"): text.replace("ef-fr.dev", "ef-fr.io") for key, text in mapping.items()
    }
