"""A real Pebble that validates at a real PowerDNS, both on loopback addresses of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import requests

from lab.authority import Authority
from lab.toolchain.resolve import Toolchain
from tests.unit.powerdns.server import DNS_PORT, Server

BLOCK = 88
DIRECTORY_PORT, MANAGEMENT_PORT = 14000, 15000
START_TIMEOUT = 120
"""Seconds."""
ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "15", "PEBBLE_AUTHZREUSE": "0"}
EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def worker_host(number: int) -> str:
    """An address of these tests' own for each pytest-xdist worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return f"127.{BLOCK}.{int(worker.removeprefix('gw'))}.{number}"


@dataclass
class Pebble:
    """A running Pebble."""

    address: str
    bundle: Path
    """What clients must trust."""
    log: Path

    @property
    def directory(self) -> str:
        return f"https://{self.address}:{DIRECTORY_PORT}/dir"

    def manage(self, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        """Ask the management interface."""
        url = f"https://{self.address}:{MANAGEMENT_PORT}{path}"
        method = "POST" if body else "GET"
        response = requests.request(method, url, json=body, timeout=10, verify=str(self.bundle))
        assert response.ok, response.text
        return response

    def status(self, serial: str) -> str:
        """`Valid` or `Revoked`."""
        return str(self.manage(f"/cert-status-by-serial/{serial}").json()["Status"])

    def suggest(self, certificate: str, start: str, end: str) -> None:
        """Set the renewal window of a certificate."""
        window = {"suggestedWindow": {"start": start, "end": end}}
        self.manage("/set-renewal-info/", {"certificate": certificate, "ariResponse": json.dumps(window)})


@contextmanager
def pebble(
    home: Path,
    address: str,
    powerdns: Server,
    *,
    authority: Authority | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Pebble]:
    """Run a Pebble; it ends with the block.

    Args:
        home: Folder for its configuration, certificate and log.
        address: Loopback address of its own.
        powerdns: The server that it asks for TXT records.
        authority: Signs its server certificate; by default one of its own.
        environment: Variables, besides `ENVIRONMENT`.
        settings: Of its configuration file.
    """
    authority = authority or Authority(home)
    chain, key = authority.issue(home, IPv4Address(address))
    config = {
        "listenAddress": f"{address}:{DIRECTORY_PORT}",
        "managementListenAddress": f"{address}:{MANAGEMENT_PORT}",
        "certificate": str(chain),
        "privateKey": str(key),
        "httpPort": 5002,
        "tlsPort": 5001,
        "keyAlgorithm": "ecdsa",
        "retryAfter": {"authz": 1, "order": 1},
        "domainBlocklist": ["blocked.dev"],
        "profiles": {
            "default": {"description": "three months", "validityPeriod": 90 * 86400},
            "shortlived": {"description": "six days", "validityPeriod": 6 * 86400},
        },
        **settings,
    }
    (home / "pebble.json").write_text(json.dumps({"pebble": config}))
    binary = Toolchain().ensure(["pebble"])["pebble"].path
    server = Pebble(address, authority.bundle, home / "log")
    with server.log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "-config", home / "pebble.json", "-dnsserver", f"{powerdns.address}:{DNS_PORT}"],
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(START_TIMEOUT)


@contextmanager
def resolver(address: str, unreachable: str, reason: dns.edns.EDEOption | None) -> Iterator[None]:
    """Run a recursive resolver of which every name is a zone, over UDP; it ends with the block.

    Args:
        address: Loopback address of its own; the port is that of the name servers.
        unreachable: Of this zone, and of all below it, no server answers.
        reason: What it says of them; None: it waits for them longer than anybody waits for it.
    """
    lost = dns.name.from_text(unreachable)

    def serve(listener: socket.socket) -> None:
        while True:
            wire, client = listener.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            name, response = query.question[0].name, dns.message.make_response(query, recursion_available=True)
            if not name.is_subdomain(lost):
                response.answer = [dns.rrset.from_text(name, 300, "IN", "SOA", "ns. hostmaster. 1 300 300 300 300")]
            elif reason:
                response.set_rcode(dns.rcode.SERVFAIL)
                # As public ones do: only who speaks EDNS is told why.
                response.use_edns(query.edns, options=[reason])
            else:
                continue
            listener.sendto(response.to_wire(), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind((address, DNS_PORT))
        serving = pool.submit(serve, listener)
        try:
            yield
        finally:
            listener.sendto(b"", (address, DNS_PORT))
            serving.result(START_TIMEOUT)


def _await(server: Pebble, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(server.directory, timeout=5, verify=str(server.bundle))
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"Pebble did not start:\n{server.log.read_text()}")
