"""Malformed inputs: each row breaks one rule, is refused before any call, and says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from components.powerdns.provider import ZoneProvider
from components.powerdns.record_sets_provider import RecordSetsProvider
from tests.unit.powerdns.inputs import APEX, some, zone

DS = f"54253 13 2 {'0b9fa5a5' * 8}"
RECORD_SETS: list[tuple[str, dict[str, Any], str]] = [
    ("bad-name", {"a..ef-fr.dev A": "300 192.0.2.1"}, "is no domain name"),
    ("bad-idn", {"\u2488com.ef-fr.dev A": "300 192.0.2.1"}, "IDNA 2008"),
    ("outside-zone", {"www.example.com A": "300 192.0.2.1"}, "lies outside the zone ef-fr.dev."),
    ("unknown-type", {"www.ef-fr.dev WKS": "300 192.0.2.1 6 25"}, "does not know"),
    ("generated-type", {"www.ef-fr.dev NSEC": "300 a.ef-fr.dev. A"}, "the server makes itself"),
    ("apex-only", {"www.ef-fr.dev SOA": APEX["ef-fr.dev. SOA"]}, "the zone's own name, ef-fr.dev."),
    ("no-records", {"www.ef-fr.dev A": ""}, "has no records"),
    ("bad-ttl", {"www.ef-fr.dev A": "-1 192.0.2.1"}, "seconds from 0 to 2147483647"),
    ("ttl-differs", {"www.ef-fr.dev A": "300 192.0.2.1\n600 192.0.2.2"}, "TTLs [300, 600]"),
    ("bad-value", {"www.ef-fr.dev A": "300 192.0.2.300"}, "'192.0.2.300' is no value of type A"),
    ("empty-value", {"@ CAA": '300 0 issue ""'}, "allows nobody"),
    ("bad-quotes", {"www.ef-fr.dev TXT": '300 "a" b'}, "quoted strings"),
    ("value-twice", {"www.ef-fr.dev AAAA": "300 2001:db8::1\n300 2001:DB8::0:1"}, "'2001:db8::1' twice"),
    ("several-values", {"www.ef-fr.dev CNAME": "300 a.example.\n300 b.example."}, "one CNAME record"),
    ("declared-twice", {"www.ef-fr.dev A": "300 192.0.2.1", "WWW.ef-fr.dev. a": "300 192.0.2.2"}, "declared twice"),
    ("target-is-address", {"@ MX": "300 10 192.0.2.1"}, "declare an A or AAAA record"),
    ("target-is-no-host", {"@ MX": "300 10 mail_1.example.com"}, "no host name"),
    ("short-target", {"@ MX": "300 10 mail"}, "write the full name"),
    (
        "cname-beside-data",
        {"www.ef-fr.dev CNAME": "300 a.example.", "www.ef-fr.dev TXT": "300 x"},
        "stands beside TXT of the same name",
    ),
    ("cname-at-apex", {"@ CNAME": "300 a.example."}, "use ALIAS"),
    (
        "below-dname",
        {"d.ef-fr.dev DNAME": "300 a.example.", "www.d.ef-fr.dev A": "300 192.0.2.1"},
        "below d.ef-fr.dev.",
    ),
    ("below-delegation", {"s.ef-fr.dev NS": "300 ns.x.", "www.s.ef-fr.dev A": "300 192.0.2.1"}, "which is delegated"),
    ("ds-without-ns", {"s.ef-fr.dev DS": f"300 {DS}"}, "needs an NS record set"),
    ("wildcard-delegation", {"*.ef-fr.dev NS": "300 ns.example."}, "is a wildcard"),
    (
        "target-is-alias",
        {"@ MX": "300 10 mail.ef-fr.dev", "mail.ef-fr.dev CNAME": "300 a.example."},
        "points at mail.ef-fr.dev., an alias",
    ),
    ("null-mx", {"@ MX": "300 0 .\n300 10 mail.example.com"}, "no mail"),
    ("missing-glue", {"s.ef-fr.dev NS": "300 ns1.s.ef-fr.dev"}, "declare ns1.s.ef-fr.dev. A (or AAAA)"),
]
INPUTS: list[tuple[str, dict[str, Any], str]] = [
    ("bad-name", {"zone": "ef fr.dev"}, "zone 'ef fr.dev' is no"),
    ("bad-url", {"apiUrl": "pdns:8081"}, "https://host:port"),
    ("bad-url", {"apiUrl": "https://pdns:8081/api/v1"}, "without a path"),
    ("key-in-clear", {"apiUrl": "http://192.0.2.1:8081"}, "use https"),
    ("bad-key", {"apiKey": "secret-1 \n"}, "apiKey (not shown)"),
    ("bad-ca", {"caCertificate": "not a certificate"}, "PEM"),
    ("bad-server", {"serverId": "a/b"}, "localhost"),
    ("other-import", {"importId": "ef-fr.io."}, "the id of a zone is its name, ef-fr.dev."),
    ("bad-kind", {"kind": "Master"}, "one of Native, Primary, Secondary"),
    ("bad-serial-policy", {"soaEditApi": "OFF"}, "one of DEFAULT, INCREASE, EPOCH"),
    ("long-account", {"account": "a" * 41}, "at most 40"),
    ("masters-of-primary", {"masters": ["192.0.2.1"]}, "only a Secondary"),
    ("no-masters", {"kind": "Secondary", "recordSets": {}}, "192.0.2.1:53"),
    ("bad-master", {"kind": "Secondary", "recordSets": {}, "masters": ["ns1.ef-fr.dev"]}, "addresses such as"),
    ("bad-master", {"kind": "Secondary", "recordSets": {}, "masters": ["192.0.2.1:70000"]}, "addresses such as"),
    ("secondary-contents", {"kind": "Secondary", "masters": ["192.0.2.1"]}, "on its primary"),
    (
        "secondary-dnssec",
        {"kind": "Secondary", "masters": ["192.0.2.1"], "recordSets": {}, "dnssec": True},
        "on its primary",
    ),
    ("bad-transfer-key", {"transferKeys": ["Transfer"]}, "the name of a TsigKey, transfer."),
    ("own-metadata", {"metadata": {"SOA-EDIT-API": ["DEFAULT"]}}, "another property"),
    ("own-metadata", {"metadata": {"X-OWNER-me": ["a. A"]}}, "another property"),
    ("bad-metadata", {"metadata": {"also notify": ["192.0.2.1"]}}, "no kind of metadata"),
    ("empty-metadata", {"metadata": {"ALSO-NOTIFY": []}}, "leave the kind out"),
    ("no-soa", {"recordSets": {key: APEX[key] for key in APEX if "SOA" not in key}}, "is missing"),
    ("no-nameservers", {"recordSets": {key: APEX[key] for key in APEX if "NS" not in key}}, "name the servers"),
]


@pytest.mark.parametrize(("rule", "record_sets", "text"), RECORD_SETS, ids=[row[0] for row in RECORD_SETS])
def test_record_sets(unused: str, rule: str, record_sets: dict[str, Any], text: str) -> None:
    _refused(ZoneProvider(), zone(None, record_sets, apiUrl=unused), rule, text)


@pytest.mark.parametrize(("rule", "inputs", "text"), INPUTS, ids=[row[0] for row in INPUTS])
def test_zone(unused: str, rule: str, inputs: dict[str, Any], text: str) -> None:
    _refused(ZoneProvider(), zone(None, **{"apiUrl": unused, **inputs}), rule, text)


@pytest.mark.parametrize(
    ("rule", "inputs", "text"),
    [
        ("bad-owner", {"owner": "a b"}, "letters, digits"),
        ("zones-own", {"recordSets": {"@ NS": "300 ns.example."}}, "the zone's own declaration"),
    ],
)
def test_part_of_a_zone(unused: str, rule: str, inputs: dict[str, Any], text: str) -> None:
    props = some(None, "app", {"www.ef-fr.dev A": "300 192.0.2.1"}, apiUrl=unused)
    _refused(RecordSetsProvider(), {**props, **inputs}, rule, text)


def _refused(provider: Any, inputs: dict[str, Any], rule: str, text: str) -> None:
    failures = provider.check({}, inputs).failures
    reasons = [failure.reason for failure in failures]
    assert [reason.rpartition("[")[2] for reason in reasons] == [f"{rule}]"]
    assert text in reasons[0]
    assert "secret-1" not in reasons[0]
    # The engine prints the value of a property that a failure names.
    assert not failures[0].property


def test_there_are_thirty_rules() -> None:
    assert len({row[0] for row in [*RECORD_SETS, *INPUTS]}) >= 30


def test_all_problems_at_once() -> None:
    inputs = zone(None, {"a.example.com A": "300 192.0.2.1", "b.ef-fr.dev A": "x 192.0.2.1"}, apiUrl="x", kind="y")
    assert len(ZoneProvider().check({}, inputs).failures) == 4


@pytest.mark.parametrize(
    "record_sets",
    [
        {"s.ef-fr.dev NS": "300 ns1.s.ef-fr.dev", "ns1.s.ef-fr.dev A": "300 192.0.2.1"},
        {"s.ef-fr.dev NS": "300 ns.example.", "s.ef-fr.dev DS": f"300 {DS}"},
        {"s.ef-fr.dev NS": "300 ns1.ef-fr.dev"},
        {"@ MX": "300 0 ."},
        {"*.ef-fr.dev A": "300 192.0.2.1", "@ MX": "300 10 mail.ef-fr.dev"},
        {"d.ef-fr.dev DNAME": "300 a.example.", "d.ef-fr.dev TXT": "300 x"},
        {
            "s.ef-fr.dev NS": "300 ns.t.ef-fr.dev",
            "t.ef-fr.dev NS": "300 ns.t.ef-fr.dev",
            "ns.t.ef-fr.dev A": "300 192.0.2.1",
        },
    ],
)
def test_what_is_right(record_sets: dict[str, str]) -> None:
    assert not ZoneProvider().check({}, zone(None, record_sets)).failures
