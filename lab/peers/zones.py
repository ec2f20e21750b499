"""A zone of many record sets: made, left as it is, and changed in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.peers.commands import Stack, seconds
from lab.peers.servers import API_PORT, Servers

ROWS = ("create", "no change", "one change")
ADDRESSES = ("192.0.2.1", "192.0.2.1", "192.0.2.2")
"""Of the host in the middle, in each of `ROWS`."""
PROGRAM = """\
import pulumi
from components.powerdns import Connection, RecordSet, Zone, ZoneArgs

config = pulumi.Config()
zone, count, changed = config.require("zone"), config.require_int("count"), config.require("changed")
record_sets = [RecordSet(f"ns1.{zone}", "A", ["192.0.2.53"], 300)]
for number in range(count):
    address = changed if number == count // 2 else f"10.0.{number >> 8}.{number & 255}"
    record_sets.append(RecordSet(f"host-{number}.{zone}", "A", [address], 300))
connection = Connection(config.require("api"), config.require_secret("key"))
Zone("zone", ZoneArgs(connection, zone, nameservers=[f"ns1.{zone}"], record_sets=record_sets))
"""


class Zone(Protocol):
    """A zone as one of the sides has it."""

    def declare(self, address: str) -> None:
        """Say what address the host in the middle shall have."""

    def up(self) -> float:
        """Seconds of the command that brings it about."""

    def remove(self) -> None:
        """Take it off the server."""


@dataclass(frozen=True)
class Pair:
    """Seconds of one command on an empty zone, and of the same on a full one right before or after it."""

    empty: float
    full: float


def pairs(empty: Zone, full: Zone, *, empty_first: bool) -> list[Pair]:
    """Each of `ROWS` once."""
    zones = (empty, full) if empty_first else (full, empty)
    found = []
    for address in ADDRESSES:
        for zone in zones:
            zone.declare(address)
        times = {zone: zone.up() for zone in zones}
        found.append(Pair(times[empty], times[full]))
    for zone in zones:
        zone.remove()
    return found


class Ours:
    """By `pulumi up`, in a stack of its own."""

    def __init__(self, servers: Servers, folder: Path, env: Mapping[str, str], count: int) -> None:
        self._servers, self._count, self._name = servers, count, _name(count)
        self._stack = Stack(folder / f"zone-{count}", PROGRAM, env)
        self._stack.configure(servers.key, api=servers.api_url, zone=self._name, count=str(count))

    def declare(self, address: str) -> None:
        self._stack.configure(changed=address)

    def up(self) -> float:
        return self._stack.up()

    def remove(self) -> None:
        _check(self._servers, self._name, self._count)
        self._stack.destroy()


class Octodns:
    """By `octodns-sync --doit`, from a YAML file."""

    def __init__(self, servers: Servers, folder: Path, binary: Path, count: int) -> None:
        self._servers, self._count, self._name = servers, count, _name(count)
        self._folder = folder / f"octodns-{count}"
        self._folder.mkdir()
        sources = {"class": "octodns.provider.yaml.YamlProvider", "directory": str(self._folder)}
        powerdns = {"class": "octodns_powerdns.PowerDnsProvider", "host": servers.address, "port": API_PORT}
        config = {
            "providers": {
                "yaml": {**sources, "enforce_order": False},
                "powerdns": {**powerdns, "api_key": servers.key},
            },
            "zones": {f"{self._name}.": {"sources": ["yaml"], "targets": ["powerdns"]}},
        }
        path = self._folder / "config.yaml"
        path.write_text(json.dumps(config))
        self._command = [str(binary), "--config-file", str(path), "--doit"]

    def declare(self, address: str) -> None:
        """The same record sets as in `PROGRAM`, a line for each: that is what PyYAML's fast parser reads quickest."""
        lines = [
            f'"": {{type: NS, ttl: 3600, values: [ns1.{self._name}.]}}',
            "ns1: {type: A, ttl: 300, value: 192.0.2.53}",
        ]
        for number in range(self._count):
            its = address if number == self._count // 2 else f"10.0.{number >> 8}.{number & 255}"
            lines.append(f"host-{number}: {{type: A, ttl: 300, value: {its}}}")
        (self._folder / f"{self._name}.yaml").write_text("\n".join(lines))

    def up(self) -> float:
        return seconds(self._command)

    def remove(self) -> None:
        _check(self._servers, self._name, self._count)
        self._servers.delete_zone(self._name)


def _name(count: int) -> str:
    return f"zone-{count}.bench.dev"


def _check(servers: Servers, name: str, count: int) -> None:
    """Both sides have to have made the same zone: SOA, NS, ns1 and the hosts."""
    found = servers.size(name)
    assert found == count + 3, f"{found} record sets, {count + 3} were asked for"
