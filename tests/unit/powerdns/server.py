"""A real PowerDNS server with its API on a loopback address, for any test that needs one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rrset
import pytest
import requests

BLOCK = 87
API_PORT, DNS_PORT = 8081, 5300
KEY = "an-api-key-for-tests"
START_TIMEOUT = 120
"""Seconds."""


@dataclass
class Server:
    """A running server."""

    address: str
    log: Path
    key: str = field(default=KEY, repr=False)

    @property
    def api_url(self) -> str:
        return f"http://{self.address}:{API_PORT}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Use the API as an operator would by hand. `path` is below `/servers/localhost`."""
        response = requests.request(
            method,
            f"{self.api_url}/api/v1/servers/localhost{path}",
            headers={"X-API-Key": self.key},
            json=body,
            timeout=10,
        )
        assert response.ok, response.text
        return response.json() if response.content else None

    def zones(self) -> list[str]:
        return sorted(zone["name"] for zone in self.call("GET", "/zones"))

    def set(self, zone: str, name: str, type_: str, *values: str, ttl: int = 300) -> None:
        """Make a record set by hand; without values, remove it."""
        change = {"name": name, "type": type_, "ttl": ttl, "changetype": "REPLACE" if values else "DELETE"}
        records = [{"content": value, "disabled": False} for value in values]
        self.call("PATCH", f"/zones/{zone}", {"rrsets": [{**change, "records": records}]})

    def query(self, name: str, type_: str) -> list[dns.rrset.RRset]:
        """The answer section of a DNS query."""
        return dns.query.udp(dns.message.make_query(name, type_), self.address, 5, DNS_PORT).answer

    def clear(self) -> None:
        """Remove all zones."""
        for zone in self.zones():
            self.call("DELETE", f"/zones/{zone}")


def worker_host(number: int) -> str:
    """One of 15 addresses, from 1 on, of this process: test runs side by side do not meet."""
    process = os.getpid() % 4096
    return f"127.{BLOCK}.{process // 16}.{process % 16 * 16 + number}"


@contextmanager
def running(folder: Path, address: str, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server; it ends with the block.

    Args:
        folder: Empty folder for its configuration, database and log.
        address: Loopback address of its own.
        settings: More of its configuration.
    """
    log = folder / "log"
    (folder / "pdns.conf").write_text(_configuration(folder, address, settings or {}))
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["pdns_server", f"--config-dir={folder}"], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    server = Server(address, log)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(START_TIMEOUT)


@pytest.fixture(scope="session")
def powerdns_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a worker."""
    with running(tmp_path_factory.mktemp("powerdns"), worker_host(1)) as server:
        yield server


@pytest.fixture
def powerdns(powerdns_process: Server) -> Iterator[Server]:
    """A server without zones."""
    yield powerdns_process
    powerdns_process.clear()


def _configuration(folder: Path, address: str, more: Mapping[str, str]) -> str:
    settings: dict[str, object] = {
        "launch": "lmdb",
        "lmdb-filename": folder / "pdns.lmdb",
        "lmdb-shards": 1,
        "local-address": address,
        "local-port": DNS_PORT,
        "query-local-address": address,
        "webserver": "yes",
        "webserver-address": address,
        "webserver-port": API_PORT,
        "webserver-allow-from": "127.0.0.0/8",
        "api": "yes",
        "api-key": KEY,
        "socket-dir": folder,
        "primary": "yes",
        "secondary": "yes",
        "disable-syslog": "yes",
        "security-poll-suffix": "",
        "zone-cache-refresh-interval": 0,
        "query-cache-ttl": 0,
        "cache-ttl": 0,
        "negquery-cache-ttl": 0,
        **more,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((server.address, API_PORT), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    print(server.log.read_text(), file=sys.stderr)
    raise AssertionError("pdns_server did not start; its log is above")
