"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.certificates import dns01, lookup
from tests.unit.certificates.inputs import register
from tests.unit.certificates.servers import Pebble, pebble, worker_host
from tests.unit.powerdns.server import Server, running

ZONES = {"ef-fr.dev.": "ns1.ef-fr.dev.", "ef-fr.io.": "ns1.ef-fr.dev."}


@pytest.fixture(scope="session")
def powerdns_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("powerdns"), worker_host(1)) as server:
        yield server


@pytest.fixture
def powerdns(powerdns_process: Server) -> Iterator[Server]:
    """A server with the zones of the platform and nothing but their apex. It is also all of the DNS that is asked."""
    for zone, host in ZONES.items():
        powerdns_process.call("POST", "/zones", {"name": zone, "kind": "Native", "nameservers": [host]})
    powerdns_process.set("ef-fr.dev.", "ns1.ef-fr.dev.", "A", powerdns_process.address)
    yield powerdns_process
    left = txt(powerdns_process)
    metadata = [zone for zone in powerdns_process.zones() if _notes(powerdns_process, zone)]
    powerdns_process.clear()
    assert not left, "TXT records stayed"
    assert not metadata, "notes of TXT records stayed"


@pytest.fixture(scope="session")
def pebble_process(tmp_path_factory: pytest.TempPathFactory, powerdns_process: Server) -> Iterator[Pebble]:
    home = tmp_path_factory.mktemp("pebble")
    with pebble(home, worker_host(2), powerdns_process, environment={"PEBBLE_ALTERNATE_ROOTS": "1"}) as server:
        yield server


@pytest.fixture
def acme(pebble_process: Pebble, trust: None) -> Pebble:
    """A Pebble that refuses some nonces; the program trusts it."""
    return pebble_process


@pytest.fixture
def trust(pebble_process: Pebble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pebble_process.bundle))


@pytest.fixture
def registered(acme: Pebble) -> dict[str, Any]:
    """Outputs of an account."""
    return register(acme)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what does not come."""
    monkeypatch.setattr(dns01, "PROPAGATION", 1.0)
    monkeypatch.setattr(lookup, "RESOLVERS_TIMEOUT", 1.0)
    monkeypatch.setattr(lookup, "SERVER_TIMEOUT", 0.5)


def txt(server: Server) -> dict[str, list[str]]:
    """All TXT record sets on a server."""
    return {
        rrset["name"]: sorted(record["content"] for record in rrset["records"])
        for zone in server.zones()
        for rrset in server.call("GET", f"/zones/{zone}")["rrsets"]
        if rrset["type"] == "TXT"
    }


def _notes(server: Server, zone: str) -> list[str]:
    found = server.call("GET", f"/zones/{zone}/metadata")
    return [item["kind"] for item in found if item["kind"].startswith(dns01.METADATA)]
