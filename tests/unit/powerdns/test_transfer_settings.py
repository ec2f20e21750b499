"""Transfers between two servers with the program's own settings: a key opens them, an address does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.xfr
import dns.zone
import pytest

from components.powerdns import server as program
from components.powerdns.provider import ZoneProvider
from components.powerdns.tsig_provider import TsigKeyProvider
from tests.unit.powerdns.inputs import ZONE, checked, zone
from tests.unit.powerdns.server import DNS_PORT, Server, running, worker_host
from tests.unit.powerdns.test_transfer import SECRET, key, transferred, wait_for

OF_TRANSFERS = (
    "primary",
    "secondary",
    "only-notify",
    "allow-axfr-ips",
    "allow-unsigned-notify",
    "trusted-notification-proxy",
)


def program_settings() -> dict[str, str]:
    lines = (Path(program.__file__).parent / "pdns.conf").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: found[name] for name in OF_TRANSFERS}


@pytest.fixture(scope="module")
def paris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What it sends has another address than it listens on, as what leaves a cluster has."""
    settings = program_settings() | {"query-local-address": worker_host(8)}
    with running(tmp_path_factory.mktemp("paris"), worker_host(6), settings) as server:
        yield server


@pytest.fixture(scope="module")
def toulouse(tmp_path_factory: pytest.TempPathFactory, paris: Server) -> Iterator[Server]:
    """A server that copies the zone of the other, and has its first content."""
    settings = program_settings() | {"query-local-address": worker_host(9)}
    with running(tmp_path_factory.mktemp("toulouse"), worker_host(7), settings) as server:
        for each in (paris, server):
            TsigKeyProvider().create(key(each))
        told = {"ALSO-NOTIFY": [f"{server.address}:{DNS_PORT}"]}
        primary = zone(paris, kind="Primary", transferKeys=["transfer."], metadata=told)
        ZoneProvider().create(checked(primary))
        masters = [f"{paris.address}:{DNS_PORT}"]
        copy = zone(server, kind="Secondary", recordSets={}, transferKeys=["transfer."], masters=masters)
        ZoneProvider().create(checked(copy))
        assert wait_for(server, "ns1.ef-fr.dev") == "192.0.2.53"
        yield server


def test_a_change_arrives_though_it_is_told_from_another_address(paris: Server, toulouse: Server) -> None:
    paris.set(ZONE, "www.ef-fr.dev.", "A", "192.0.2.1")
    paris.call("PUT", f"/zones/{ZONE}/notify")
    assert wait_for(toulouse, "www.ef-fr.dev") == "192.0.2.1"


def test_nobody_fetches_a_zone_without_the_key(paris: Server, toulouse: Server) -> None:
    for server in (paris, toulouse):
        query, _ = dns.xfr.make_query(dns.zone.Zone(ZONE))
        with pytest.raises(dns.xfr.TransferError, match=r"NOTAUTH|REFUSED"):
            dns.query.inbound_xfr(server.address, dns.zone.Zone(ZONE), query, port=DNS_PORT, timeout=5)
    assert "@" in transferred(paris, SECRET)


def test_nobody_tells_of_a_change_without_the_key(toulouse: Server) -> None:
    notice = dns.message.make_query(ZONE, "SOA")
    notice.set_opcode(dns.opcode.NOTIFY)
    notice.flags |= dns.flags.AA
    answer = dns.query.udp(notice, toulouse.address, 5, DNS_PORT)
    assert answer.rcode() == dns.rcode.REFUSED
