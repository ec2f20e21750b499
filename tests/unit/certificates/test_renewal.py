"""Renewal in place: when, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.certificates import keys, renewal
from components.certificates.client import Client
from components.certificates.session import AcmeError
from tests.unit.certificates.inputs import CERTIFICATES, certificate, issue
from tests.unit.certificates.servers import Pebble
from tests.unit.powerdns.server import Server

FACTS = {
    "notBefore": "2026-01-01T00:00:00Z",
    "notAfter": "2026-04-01T00:00:00Z",
    "renewalWindowStart": "2026-03-01T00:00:00Z",
    "renewalWindowEnd": "2026-03-02T00:00:00Z",
}
NO_WINDOW = {**FACTS, "renewalWindowStart": "", "renewalWindowEnd": ""}
PAST = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("facts", "days", "date", "why"),
    [
        (FACTS, 30, "2026-02-28", ""),
        (
            FACTS,
            30,
            "2026-03-01",
            "the CA asks to renew between 2026-03-01T00:00:00Z and 2026-03-02T00:00:00Z (RFC 9773)",
        ),
        (FACTS, 40, "2026-02-28", "32 days remain until 2026-04-01T00:00:00Z, renewal starts at 40"),
        (NO_WINDOW, 30, "2026-03-02", ""),
        (NO_WINDOW, 30, "2026-03-03", "29 days remain until 2026-04-01T00:00:00Z, renewal starts at 30"),
        (NO_WINDOW, 365, "2026-02-14", ""),
        (NO_WINDOW, 30, "2026-05-01", "it has expired at 2026-04-01T00:00:00Z"),
    ],
)
def test_the_reason(facts: dict[str, str], days: int, date: str, why: str) -> None:
    assert renewal.reason(facts, days, datetime.fromisoformat(date).replace(tzinfo=UTC)) == why


def refreshed(outputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and outputs after `pulumi refresh`."""
    read = CERTIFICATES.read("ef-fr.dev", outputs)
    assert read.inputs is not None
    assert read.outs is not None
    return read.inputs, read.outs


def updated(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    outputs = CERTIFICATES.update("ef-fr.dev", olds, news).outs
    assert outputs is not None
    return outputs


def test_the_ca_asks_for_it(powerdns: Server, acme: Pebble, registered: dict[str, Any]) -> None:
    props = certificate(powerdns, registered)
    first = issue(props)
    acme.suggest(first["certificatePem"], *PAST)
    inputs, outputs = refreshed(first)
    assert outputs == {**first, "renewalWindowStart": PAST[0], "renewalWindowEnd": PAST[1]}

    checked = CERTIFICATES.check(inputs, props).inputs
    assert checked["renew"] == f"the CA asks to renew between {PAST[0]} and {PAST[1]} (RFC 9773)"
    assert CERTIFICATES.diff("", outputs, checked).changes
    second = updated(outputs, checked)
    assert second["serial"] != first["serial"]
    assert second["privateKeyPem"] != first["privateKeyPem"]

    # What was shown is of the former certificate.
    again = CERTIFICATES.check(checked, props).inputs
    assert "renew" not in again
    assert not CERTIFICATES.diff("", second, again).changes
    inputs, outputs = refreshed(second)
    checked = CERTIFICATES.check(inputs, props).inputs
    assert checked == inputs
    assert not CERTIFICATES.diff("", outputs, checked).changes


def test_few_days_remain(powerdns: Server, registered: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Found without a refresh, from the outputs: said in a line."""
    props = certificate(powerdns, registered, reuseKey=True)
    first = issue(props)
    end = datetime.now(UTC) + timedelta(days=12, hours=1)
    aged = {"notBefore": end - timedelta(days=90), "notAfter": end}
    olds = {**first, **{key: time.isoformat() for key, time in aged.items()}, "renewalWindowStart": ""}
    checked = CERTIFICATES.check(olds, props).inputs
    assert CERTIFICATES.diff("", olds, checked).changes
    assert "ef-fr.dev, *.ef-fr.dev is due for renewal: 12 days remain" in capsys.readouterr().err
    second = updated(olds, checked)
    assert second["serial"] != first["serial"]
    assert second["privateKeyPem"] == first["privateKeyPem"]


@pytest.mark.parametrize("change", [{"names": ["ef-fr.dev"]}, {"keyType": "EC384"}, {"profile": "shortlived"}])
def test_another_certificate_is_wanted(powerdns: Server, registered: dict[str, Any], change: dict[str, Any]) -> None:
    inputs, olds = refreshed(issue(certificate(powerdns, registered, reuseKey=True)))
    checked = CERTIFICATES.check(inputs, {**certificate(powerdns, registered, reuseKey=True), **change}).inputs
    assert "issued" not in checked
    assert CERTIFICATES.diff("", olds, checked).changes
    news = updated(olds, checked)
    assert news["serial"] != olds["serial"]
    assert (news["privateKeyPem"] == olds["privateKeyPem"]) == ("keyType" not in change)


def test_another_connection_sends_nothing(powerdns: Server, registered: dict[str, Any]) -> None:
    olds = issue(certificate(powerdns, registered))
    others = {"apiUrl": "https://elsewhere:8081", "apiKey": "another", "accountUrl": "https://no/1", "renewDays": 20}
    checked = CERTIFICATES.check(olds, certificate(powerdns, registered, **others)).inputs
    assert CERTIFICATES.diff("", olds, checked).changes
    assert updated(olds, checked) == {**olds, **others}


def test_another_owner_of_the_records_is_no_change(powerdns: Server, registered: dict[str, Any]) -> None:
    """A resource is given another name, or its state is older than that input."""
    props = certificate(powerdns, registered)
    first = issue(props)
    older = {key: value for key, value in first.items() if key != "owner"}
    for olds in (older, {**first, "owner": "another"}):
        inputs, outputs = refreshed(olds)
        assert outputs == olds
        checked = CERTIFICATES.check(inputs, props).inputs
        assert checked == {**inputs, "owner": props["owner"]}
        assert not CERTIFICATES.diff("", outputs, checked).changes
        assert not CERTIFICATES.diff("", outputs, inputs).changes
        assert updated(outputs, {**checked, "renewDays": 20}) == {**first, "renewDays": 20}


def test_a_ca_that_is_down_does_not_stop_a_refresh(
    powerdns: Server, registered: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    olds = issue(certificate(powerdns, registered))

    def down(_self: Client, _certificate: keys.Certificate) -> None:
        raise AcmeError("it is down")

    monkeypatch.setattr(Client, "renewal_window", down)
    _, outputs = refreshed(olds)
    assert outputs == olds
    assert "the renewal window of ef-fr.dev is not refreshed: it is down" in capsys.readouterr().err
    assert issue(certificate(powerdns, registered))["renewalWindowStart"] == ""
