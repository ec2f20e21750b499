"""What changes of one resource, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ci import nouns
from ci.differences import LONGEST, lines
from ci.scrub import MASK
from tests.unit.ci.steps import change

LATER = min(nouns.UNKNOWN)
SERVICE = "kubernetes:core/v1:Service"


def zone(**records: str) -> dict[str, str]:
    return {
        "zone": "ef-fr.dev.",
        "recordSets": json.dumps({key.replace("_", " "): text for key, text in records.items()}),
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"cores": 4}, {"cores": 6}, ["- cores: 4", "+ cores: 6"]),
        ({"a": {"b": True}}, {"a": {}}, ["+ a: {}", "- a.b: true"]),
        ({"a": "x"}, {"a": LATER}, ["- a: x", "+ a: (known after the run)"]),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, ["+ tags[1]: b"]),
        (
            {"nodes": [{"name": "a", "role": "x"}, {"name": "b", "role": "x"}]},
            {"nodes": [{"name": "b", "role": "x"}]},
            ["- nodes[a].name: a", "- nodes[a].role: x"],
        ),
        ({"text": "one\ntwo\nthree"}, {"text": "one\n2\nthree"}, ["  text:", "-   two", "+   2"]),
        ({"version": "1", "a": 1}, {"version": "2", "a": 2}, ["- version: 1", "+ version: 2", "- a: 1", "+ a: 2"]),
        ({"__provider": "x", "playbook": "a"}, {"__provider": "y", "playbook": "b", "groupVars": "c"}, []),
    ],
    ids=["value", "emptied", "unknown", "list", "names", "text", "version-first", "own"],
)
def test_an_update_shows_what_differs(before: Any, after: Any, expected: list[str]) -> None:
    assert lines(change("update", SERVICE, "it", before, after)) == expected


def test_a_creation_shows_everything_and_a_deletion_nothing() -> None:
    assert lines(change("create", SERVICE, "it", None, {"a": {"b": 1}, "c": MASK})) == ["+ a.b: 1", f"+ c: {MASK}"]
    assert lines(change("delete", SERVICE, "it", {"a": 1})) == []


def test_a_zone_changes_record_by_record() -> None:
    before = zone(www_A="300 192.0.2.1\n300 192.0.2.2", old_A="300 192.0.2.9", mx_MX="300 10 mail.")
    after = zone(www_A="300 192.0.2.1\n300 192.0.2.3", new_A="300 192.0.2.8", mx_MX="300 10 mail.")
    assert lines(change("update", nouns.ZONE, "ef-fr.dev", before, after)) == [
        "+ new A: 300 192.0.2.8",
        "- old A: 300 192.0.2.9",
        "  www A:",
        "-   300 192.0.2.2",
        "+   300 192.0.2.3",
    ]


def test_records_that_only_the_run_will_know_are_no_failure() -> None:
    after = {"zone": "ef-fr.dev.", "recordSets": LATER}
    assert "+ recordSets: (known after the run)" in lines(change("update", nouns.ZONE, "z", zone(a_A="300 1"), after))


@pytest.mark.parametrize("path", ["data", "data.password", "data[0].key"])
def test_a_secret_that_changes_is_said_and_not_shown(path: str) -> None:
    step = change("update", SERVICE, "it", {"data": MASK}, {"data": MASK}, detailedDiff={path: {"kind": "update"}})
    assert lines(step) == [f"! {path}: {MASK} changes"]


def test_what_differs_in_sight_is_not_called_a_secret() -> None:
    before, after = {"list": [{"name": "a", "port": 1}]}, {"list": [{"name": "a", "port": 2}]}
    step = change("update", SERVICE, "it", before, after, detailedDiff={"list[0].port": {"kind": "update"}})
    assert lines(step) == ["- list[a].port: 1", "+ list[a].port: 2"]


def test_another_certificate_is_told_by_its_digest() -> None:
    before, after = ({"pem": f"-----BEGIN CERTIFICATE-----\n{text}\n"} for text in ("one", "two"))
    removed, added = lines(change("update", SERVICE, "it", before, after))
    assert removed.startswith("- pem: (PEM: certificate, SHA-256 ")
    assert removed[2:] != added[2:]


def test_a_long_line_is_cut() -> None:
    (line,) = lines(change("create", SERVICE, "it", None, {"a": "x" * 1000}))
    assert line == f"{('+ a: ' + 'x' * 1000)[:LONGEST]}… (845 more characters)"
