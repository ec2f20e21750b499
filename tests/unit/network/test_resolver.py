"""The resolver, as a process of the lab, in front of a real name server."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from lab.layout import Lab
from lab.services import network
from tests.unit.network.conftest import BLOCK, host
from tests.unit.powerdns.server import DNS_PORT, Server, running

ZONES = ("ef-fr.dev", "toulouse.ef-fr.dev")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of both zones."""
    with running(tmp_path_factory.mktemp("powerdns"), host(1)) as server:
        for zone in ZONES:
            server.call("POST", "/zones", {"name": f"{zone}.", "kind": "Native", "nameservers": [f"ns1.{zone}."]})
        server.set("ef-fr.dev.", "long.ef-fr.dev.", "TXT", *(f'"{number} {"x" * 200}"' for number in range(20)))
        yield server


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose resolver runs, each pytest-xdist worker with an address of its own."""
    monkeypatch.setattr(network, "resolver_address", lambda _: host(2))
    lab = Lab(tmp_path, BLOCK)
    service = network.resolver(lab, {})
    service.start()
    yield lab
    service.stop()


def ask(name: str, type_: str = "SOA", *, tcp: bool = False) -> dns.message.Message:
    send = dns.query.tcp if tcp else dns.query.udp
    return send(dns.message.make_query(name, type_), host(2), 5, network.RESOLVER_PORT)


@pytest.mark.parametrize("tcp", [False, True])
def test_forwards_by_the_longest_zone_and_knows_changes_at_once(lab: Lab, server: Server, tcp: bool) -> None:
    assert ask("ef-fr.dev", tcp=tcp).rcode() == dns.rcode.REFUSED
    network.forward(lab, ["ef-fr.dev"], f"{server.address}:{DNS_PORT}")
    network.forward(lab, ["toulouse.ef-fr.dev"], f"{host(3)}:{DNS_PORT}")
    answer = ask("EF-FR.dev", tcp=tcp)
    assert answer.rcode() == dns.rcode.NOERROR
    assert len(answer.answer) == 1
    assert answer.flags & (dns.flags.RA | dns.flags.AA) == dns.flags.RA
    assert ask("nobody.ef-fr.dev", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
    assert ask("toulouse.ef-fr.dev", tcp=tcp).rcode() == dns.rcode.SERVFAIL  # nobody answers there
    network.forward(lab, ["toulouse.ef-fr.dev"], f"{server.address}:{DNS_PORT}")
    assert ask("toulouse.ef-fr.dev", tcp=tcp).rcode() == dns.rcode.NOERROR
    assert ask("example.org", tcp=tcp).rcode() == dns.rcode.REFUSED


@pytest.fixture
def delegated(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Server]:
    """A server of a zone that the other delegates to it."""
    with running(tmp_path_factory.mktemp("delegated"), host(4)) as other:
        other.call(
            "POST", "/zones", {"name": "lille.ef-fr.dev.", "kind": "Native", "nameservers": ["ns1.lille.ef-fr.dev."]}
        )
        server.set("ef-fr.dev.", "lille.ef-fr.dev.", "NS", "ns1.lille.ef-fr.dev.")
        server.set("ef-fr.dev.", "ns1.lille.ef-fr.dev.", "A", host(4))
        yield other
        server.set("ef-fr.dev.", "lille.ef-fr.dev.", "NS")
        server.set("ef-fr.dev.", "ns1.lille.ef-fr.dev.", "A")


@pytest.mark.parametrize("tcp", [False, True])
def test_follows_a_delegation(lab: Lab, server: Server, delegated: Server, tcp: bool) -> None:
    network.forward(lab, ["ef-fr.dev"], f"{server.address}:{DNS_PORT}")
    delegated.set("lille.ef-fr.dev.", "www.lille.ef-fr.dev.", "A", "192.0.2.1")
    assert [str(rdata) for rdata in ask("www.lille.ef-fr.dev", "A", tcp=tcp).answer[0]] == ["192.0.2.1"]
    assert ask("nobody.lille.ef-fr.dev", "A", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
    assert ask("lille.ef-fr.dev", "NS", tcp=tcp).answer
    assert ask("nobody.ef-fr.dev", "A", tcp=tcp).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("address", [host(1), host(5)], ids=["itself", "nobody"])
def test_a_delegation_that_leads_nowhere_fails(lab: Lab, server: Server, delegated: Server, address: str) -> None:
    """To the server itself, or to one that is not there."""
    network.forward(lab, ["ef-fr.dev"], f"{server.address}:{DNS_PORT}")
    server.set("ef-fr.dev.", "ns1.lille.ef-fr.dev.", "A", address)
    assert ask("www.lille.ef-fr.dev", "A").rcode() == dns.rcode.SERVFAIL
    server.set("ef-fr.dev.", "ns1.lille.ef-fr.dev.", "A", delegated.address)


def test_forgets_nothing_that_another_site_wrote(lab: Lab) -> None:
    for zone in ZONES:
        network.forward(lab, [zone], f"{host(1)}:1")
    (file,) = lab.services.glob("forwards.json")
    assert set(json.loads(file.read_text())) == set(ZONES)


def test_long_answer_is_truncated_over_udp_and_whole_over_tcp(lab: Lab, server: Server) -> None:
    network.forward(lab, ["ef-fr.dev"], f"{server.address}:{DNS_PORT}")
    assert ask("long.ef-fr.dev", "TXT").flags & dns.flags.TC
    assert len(ask("long.ef-fr.dev", "TXT", tcp=True).answer[0]) == 20


def test_rubbish_does_not_end_it(lab: Lab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for rubbish in (b"", b"x", os.urandom(11)):
            client.sendto(rubbish, (host(2), network.RESOLVER_PORT))
    with socket.create_connection((host(2), network.RESOLVER_PORT), 5) as client:
        client.sendall(b"\x00\x05rubbi")
        assert client.recv(100) == b""
    assert ask("example.org").rcode() == dns.rcode.REFUSED
