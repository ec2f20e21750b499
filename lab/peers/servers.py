"""The servers that both sides talk to: a real PowerDNS (LMDB), a real Pebble, and the lab's resolver between them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from lab.layout import Lab
from lab.services import network
from lab.services.supervisor import Service

API_PORT, DNS_PORT = 8081, 5300


@dataclass(frozen=True)
class Servers:
    """What runs, and how it is reached."""

    address: str
    """Of PowerDNS."""
    directory: str
    """URL of Pebble's ACME directory."""
    key: str = field(repr=False)
    """Of PowerDNS's API."""

    @property
    def api_url(self) -> str:
        return f"http://{self.address}:{API_PORT}"

    def create_zone(self, name: str) -> None:
        """Make an empty zone by hand."""
        self._call("POST", "/zones", {"name": f"{name}.", "kind": "Native", "nameservers": [f"ns1.{name}."]})

    def delete_zone(self, name: str) -> None:
        self._call("DELETE", f"/zones/{name}.")

    def size(self, name: str) -> int:
        """Number of record sets in a zone."""
        return len(self._call("GET", f"/zones/{name}.").json()["rrsets"])

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self.api_url}/api/v1/servers/localhost{path}"
        response = requests.request(method, url, headers={"X-API-Key": self.key}, json=body, timeout=60)
        response.raise_for_status()
        return response


@contextmanager
def running(lab: Lab, env: Mapping[str, str], zones: Sequence[str]) -> Iterator[Servers]:
    """Run the servers; they end with the block.

    Args:
        lab: Says where; its block of addresses is nobody else's.
        env: Environment with Pebble on its PATH.
        zones: The zones that Pebble is to find.
    """
    address, key = f"127.{lab.block}.0.4", secrets.token_urlsafe(16)
    network.forward(lab, zones, f"{address}:{DNS_PORT}")
    with ExitStack() as started:
        for service in (_powerdns(lab, address, key), network.resolver(lab, env), network.pebble(lab, env)):
            started.callback(service.stop)
            service.start()
        yield Servers(address, network.acme(lab).directory, key)


def _powerdns(lab: Lab, address: str, key: str) -> Service:
    folder = lab.home / "powerdns"
    folder.mkdir(parents=True, mode=0o700)
    settings = {
        "launch": "lmdb",
        "lmdb-filename": folder / "pdns.lmdb",
        "lmdb-shards": 1,
        "local-address": address,
        "local-port": DNS_PORT,
        "webserver": "yes",
        "webserver-address": address,
        "webserver-port": API_PORT,
        "webserver-allow-from": "127.0.0.0/8",
        "webserver-loglevel": "none",
        "api": "yes",
        "api-key": key,
        "socket-dir": folder,
        "disable-syslog": "yes",
        "security-poll-suffix": "",
        # A challenge is asked for right after it is made.
        "zone-cache-refresh-interval": 0,
        "query-cache-ttl": 0,
        "cache-ttl": 0,
        "negquery-cache-ttl": 0,
    }
    path: Path = folder / "pdns.conf"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return Service(
        "powerdns", ["pdns_server", f"--config-dir={folder}"], folder, lambda: network.listens(API_PORT, address)
    )
