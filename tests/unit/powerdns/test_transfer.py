"""Keys for transfers, and a zone that goes from one real server to another, signed, as soon as it changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.query
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from components.powerdns.provider import ZoneProvider
from components.powerdns.tsig_provider import TsigKeyError, TsigKeyProvider
from tests.unit.powerdns.inputs import ZONE, checked, connection, declared, zone
from tests.unit.powerdns.server import DNS_PORT, Server, running, worker_host

PROVIDER = TsigKeyProvider()
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
OTHER = "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="


def key(server: Server | None, **others: Any) -> dict[str, Any]:
    return {**connection(server), "name": "transfer.", "algorithm": "hmac-sha256", "key": SECRET, **others}


@pytest.fixture(autouse=True)
def no_keys(powerdns: Server) -> Iterator[None]:
    """The list of keys is no help: with LMDB, 4.7.3 goes on listing one that is gone."""
    yield
    PROVIDER.delete("transfer.", key(powerdns))


@pytest.fixture
def secondary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("secondary"), worker_host(4)) as server:
        yield server


def test_life(powerdns: Server) -> None:
    outputs = PROVIDER.create(PROVIDER.check({}, key(powerdns, name="Transfer")).inputs).outs
    assert outputs == key(powerdns)
    assert PROVIDER.create(key(powerdns)).id == "transfer."
    with pytest.raises(TsigKeyError, match=r"another key called transfer\.") as refused:
        PROVIDER.create(key(powerdns, key=OTHER))
    assert SECRET not in str(refused.value)
    assert PROVIDER.read("transfer.", outputs).outs == outputs
    news = PROVIDER.update("transfer.", outputs, key(powerdns, key=OTHER)).outs
    assert news is not None
    assert PROVIDER.read("transfer.", outputs).outs == news
    PROVIDER.delete("transfer.", news)
    PROVIDER.delete("transfer.", news)
    assert PROVIDER.read("transfer.", news).id == ""


@pytest.mark.parametrize(
    ("rule", "inputs"),
    [
        ("bad-name", {"name": "a b"}),
        ("bad-algorithm", {"algorithm": "hmac-md5"}),
        ("bad-tsig-key", {"key": "secret-1!"}),
        ("bad-key", {"apiKey": "secret-1 "}),
    ],
)
def test_refusals(rule: str, inputs: dict[str, Any]) -> None:
    [failure] = PROVIDER.check({}, key(None, **inputs)).failures
    assert failure.reason.endswith(f"[{rule}]")
    assert "secret-1" not in failure.reason


def test_another_name_is_another_key() -> None:
    assert PROVIDER.diff("", key(None), key(None, name="other.")).replaces == ["name"]
    assert PROVIDER.diff("", key(None), key(None, apiKey="another")).replaces == []


def test_a_signed_transfer_after_a_change(powerdns: Server, secondary: Server) -> None:
    olds, _ = copied(powerdns, secondary)
    record_sets = {**declared(olds), "www.ef-fr.dev. A": "300 192.0.2.1"}
    updated = ZoneProvider().update(ZONE, olds, checked({**olds, "recordSets": record_sets})).outs
    assert updated is not None
    assert wait_for(secondary, "www.ef-fr.dev") == "192.0.2.1"
    assert ZoneProvider().read(ZONE, updated).outs == updated
    assert transferred(powerdns, SECRET)
    with pytest.raises(dns.xfr.TransferError, match="NOTAUTH"):
        transferred(powerdns, OTHER)


@pytest.mark.parametrize("kind", ["Primary", "Secondary"])
def test_keys_are_read_back_as_they_were_declared(powerdns: Server, kind: str) -> None:
    """The API has another form for names in its paths and lists."""
    keys = [key(powerdns, name=name) for name in ("my_key.", "0/26.example.")]
    for each in keys:
        PROVIDER.create(each)
    contents: dict[str, Any] = {"masters": ["192.0.2.1:9"], "recordSets": {}} if kind == "Secondary" else {}
    props = zone(powerdns, kind=kind, transferKeys=[each["name"] for each in keys], **contents)
    outputs = ZoneProvider().create(ZoneProvider().check({}, props).inputs).outs
    assert outputs is not None
    assert outputs["transferKeys"] == ["my_key.", "0/26.example."]
    assert ZoneProvider().read(ZONE, outputs).outs == outputs
    for each in keys:
        PROVIDER.delete(each["name"], each)


def test_what_was_written_into_a_copy_keeps_no_transfer_away(powerdns: Server, secondary: Server) -> None:
    copied(powerdns, secondary)
    secondary.set(ZONE, "hand.ef-fr.dev.", "A", "192.0.2.66")
    powerdns.set(ZONE, "www.ef-fr.dev.", "A", "192.0.2.1")
    powerdns.call("PUT", f"/zones/{ZONE}/notify")
    assert wait_for(secondary, "www.ef-fr.dev") == "192.0.2.1"
    assert not secondary.query("hand.ef-fr.dev", "A")


def test_a_copy_of_a_signed_zone_is_changed(powerdns: Server, secondary: Server) -> None:
    _, fetched = copied(powerdns, secondary, dnssec=True)
    assert secondary.query("ef-fr.dev", "DNSKEY")
    read = ZoneProvider().read(ZONE, fetched).inputs
    assert read == {key: fetched[key] for key in ZoneProvider.INPUTS}
    news = checked({**fetched, "recordSets": {}, "account": "others"})
    updated = ZoneProvider().update(ZONE, fetched, news).outs
    assert updated is not None
    assert secondary.call("GET", f"/zones/{ZONE}")["account"] == "others"
    assert secondary.query("ef-fr.dev", "DNSKEY")
    assert ZoneProvider().read(ZONE, updated).outs == updated


def test_a_signed_zone_that_becomes_a_copy_has_no_keys_of_its_own(powerdns: Server) -> None:
    for strict in (False, True):
        signed = ZoneProvider().create(checked(zone(powerdns, dnssec=True))).outs
        assert signed is not None
        assert signed["ds"]
        copy = zone(powerdns, kind="Secondary", recordSets={}, masters=["192.0.2.1:9"], strict=strict)
        news = ZoneProvider().update(ZONE, signed, checked(copy)).outs
        assert news is not None
        assert news["ds"] == []
        powerdns.clear()


def copied(primary: Server, secondary: Server, **others: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs of a zone on one server, and of its copy on another that has fetched it."""
    for server in (primary, secondary):
        PROVIDER.create(key(server))
    original = zone(
        primary,
        kind="Primary",
        transferKeys=["transfer."],
        metadata={"ALSO-NOTIFY": [f"{secondary.address}:{DNS_PORT}"], "ALLOW-AXFR-FROM": [f"{worker_host(9)}/32"]},
        **others,
    )
    copy = zone(
        secondary,
        kind="Secondary",
        recordSets={},
        transferKeys=["transfer."],
        masters=[f"{primary.address}:{DNS_PORT}"],
    )
    made, fetched = (ZoneProvider().create(checked(props)).outs for props in (original, copy))
    assert made is not None
    assert fetched is not None
    assert wait_for(secondary, "ns1.ef-fr.dev") == "192.0.2.53"
    return made, fetched


def transferred(server: Server, secret: str) -> set[str]:
    """Names in the zone, fetched with a key."""
    keyring = dns.tsigkeyring.from_text({"transfer.": ("hmac-sha256", secret)})
    fetched = dns.zone.Zone(ZONE)
    query, _ = dns.xfr.make_query(fetched, keyring=keyring)
    dns.query.inbound_xfr(server.address, fetched, query, port=DNS_PORT, timeout=5)
    return {str(name) for name in fetched}


def wait_for(server: Server, name: str) -> str:
    """The address of a name once the server has it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = server.query(name, "A")
        if answer:
            return str(answer[0][0])
        time.sleep(0.1)
    raise AssertionError(server.log.read_text())
