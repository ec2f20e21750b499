"""What counts as drift, from what the engine tells of a refresh event by event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ci import drift, nouns
from ci.drift import Drift
from ci.engine import Stack
from tests.unit.ci.scripted import OPENED, PASSWORD, Answers, printed
from tests.unit.ci.steps import URN

BLINDED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
ZONE = {"zone": "ef-fr.dev.", "apiKey": BLINDED}
RECORDS = [json.dumps({f"www.ef-fr.dev. {type_}": text}) for type_, text in (("A", "300 192.0.2.1"), ("A", "60 ::1"))]
KEY = "pulumi-python:dynamic/powerdns:TsigKey"
CERTIFICATE = {"names": ["ef-fr.dev"], "renewDays": 30}
SAME = {"changeSummary": {"same": 2}}


def found(op: str, type_: str, before: Any, after: Any) -> dict[str, Any]:
    """The event of one resource that was looked at; the inputs that it had and has, None where it is gone."""
    states = {side: inputs and {"type": type_, "inputs": inputs} for side, inputs in (("old", before), ("new", after))}
    return {"resOutputsEvent": {"metadata": {"op": op, "urn": f"{URN}{type_}::it", "detailedDiff": None, **states}}}


def said(severity: str, message: str, **more: Any) -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "prefix": f"{severity}: ", "message": message, **more}}


@pytest.fixture
def look(answers: Callable[[Answers], None]) -> Callable[..., Drift]:
    """Looks for drift where a refresh tells these events, and a preview prints this."""

    def run(*events: Any, code: int = 0, preview: Any = SAME, **numbers: int) -> Drift:
        summary = {"summaryEvent": {"resourceChanges": numbers}}
        lines = "".join(f"{json.dumps(event)}\n" for event in ({"preludeEvent": {}}, *events, summary))
        answers({**OPENED, "refresh --preview-only": (code, lines, ""), "preview --json": (0, printed(**preview), "")})
        return drift.look(Stack.open("paris"))

    return run


def test_a_record_that_was_changed_by_hand_is_named(look: Callable[..., Drift]) -> None:
    """A dynamic provider says that something differs, and not what: there is no detailed diff."""
    before, after = ({**ZONE, "recordSets": records} for records in RECORDS)
    report = look(
        found("same", nouns.VM, {}, {}), found("update", nouns.ZONE, before, after), same=1, update=1
    ).report()
    assert "paris: 1 to update</summary>" in report
    assert (
        "`differs zone ef-fr.dev`\n```diff\n- www.ef-fr.dev. A: 300 192.0.2.1\n+ www.ef-fr.dev. A: 60 ::1\n```"
        in report
    )
    assert "apiKey" not in report


def test_a_secret_that_differs_is_not_shown(look: Callable[..., Drift]) -> None:
    inputs = {"name": "transfers", "key": BLINDED}
    report = look(found("update", KEY, inputs, inputs), said("info", f"not {PASSWORD}"), update=1).report()
    assert "differs transfer key transfers" in report
    assert "info: not [secret]" in report
    assert PASSWORD not in report


def test_what_is_gone_is_named(look: Callable[..., Drift]) -> None:
    report = look(found("delete", nouns.ZONE, ZONE, None), delete=1).report()
    assert "paris: is gone zone ef-fr.dev: its records and DNSSEC keys are lost" in report


def test_what_the_engine_counts_and_does_not_name_is_drift_too(look: Callable[..., Drift]) -> None:
    seen = look(found("same", nouns.VM, {}, {}), same=1, update=2)
    assert not seen.is_clean
    assert "paris: 2 more that the engine counts and does not name." in seen.report()
    pending = look(same=1, preview={"changeSummary": {"same": 1, "update": 1}})
    assert not pending.is_clean
    assert "paris: 1 more that the engine counts and does not name." in pending.report()


def test_a_certificate_that_is_due_was_touched_by_nobody(look: Callable[..., Drift]) -> None:
    due = {**CERTIFICATE, "issued": {"notAfter": "2026-01-01T00:00:00Z"}}
    assert look(found("update", nouns.CERTIFICATE, CERTIFICATE, due), update=1).is_clean
    other = {**CERTIFICATE, "names": ["ef-fr.io"]}
    assert not look(found("update", nouns.CERTIFICATE, CERTIFICATE, other), update=1).is_clean


def test_without_differences_there_is_nothing_to_report(look: Callable[..., Drift]) -> None:
    seen = look(
        found("same", nouns.ZONE, ZONE, ZONE), said("debug", "much"), said("info", "3 s", ephemeral=True), same=1
    )
    assert (seen.is_clean, seen.failed, seen.report()) == (True, False, "")
    assert seen.real.notices == ()


def test_a_site_that_cannot_be_looked_at_says_why(
    look: Callable[..., Drift], answers: Callable[[Answers], None]
) -> None:
    seen = look(said("error", "the name server does not answer"), code=255)
    assert (seen.failed, seen.real.errors) == (True, ("the name server does not answer",))

    for text in ("error: no such stack", '{"preludeEvent": {}}\n'):
        answers({**OPENED, "refresh": (255, text, "error: gone"), "preview --json": (0, printed(**SAME), "")})
        assert drift.look(Stack.open("paris")).real.errors == ("gone",)
