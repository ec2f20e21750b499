"""The services that stand for the internet's names and certificates: the resolver and Pebble."""

from __future__ import annotations

import fcntl
import json
import socket
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from lab.authority import Authority
from lab.files import write_private
from lab.layout import Lab
from lab.pebble import DIRECTORY_PORT, MANAGEMENT_PORT, SETTINGS, Pebble
from lab.services.supervisor import Service

RESOLVER_PORT = 5353


def resolver_address(lab: Lab) -> IPv4Address:
    return IPv4Address(f"127.{lab.block}.0.2")


def resolver(lab: Lab, env: Mapping[str, str]) -> Service:
    """The public DNS of all sites."""
    address = str(resolver_address(lab))
    return Service(
        name="resolver",
        argv=[sys.executable, "-m", "lab.resolver", address, str(RESOLVER_PORT), str(_forwards(lab))],
        home=lab.services,
        ready=lambda: listens(RESOLVER_PORT, address),
        env=env,
    )


def forward(lab: Lab, zones: Iterable[str], server: str) -> None:
    """Have the resolver ask `server` ("address:port") for these zones. It need not be up yet."""
    path = _forwards(lab)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # sites come up side by side
        known = json.loads(path.read_text()) if path.exists() else {}
        write_private(path, json.dumps(known | dict.fromkeys(zones, server), indent=2))


def acme(lab: Lab) -> Pebble:
    """The lab's Let's Encrypt."""
    return Pebble(lab.home / "pebble", IPv4Address(f"127.{lab.block}.0.3"))


def pebble(lab: Lab, env: Mapping[str, str]) -> Service:
    """The lab's Let's Encrypt as a process; its root is kept as soon as it answers."""
    authority = Authority(lab.home)
    server = acme(lab)
    return Service(
        name="pebble",
        argv=[
            *("pebble", "-config", str(server.write_config(authority))),
            *("-dnsserver", f"{resolver_address(lab)}:{RESOLVER_PORT}"),
        ],
        home=lab.services,
        ready=lambda: _root_is_kept(server, authority),
        env={**env, **SETTINGS},
    )


def _root_is_kept(server: Pebble, authority: Authority) -> bool:
    """True once Pebble answers; its root is kept then."""
    if not all(listens(port, str(server.address)) for port in (MANAGEMENT_PORT, DIRECTORY_PORT)):
        return False
    server.save_root(authority)
    return True


def _forwards(lab: Lab) -> Path:
    return lab.services / "forwards.json"


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
