"""The site's DHCP server, as far as its leases go: an address per MAC, the same at every boot."""

from __future__ import annotations

import json
from collections.abc import Collection
from ipaddress import IPv4Address
from pathlib import Path

from lab.files import write_private


class RangeExhausted(Exception):
    """Every address of the range is held by a VM that exists."""


class Leases:
    """Leases of one range.

    Args:
        first: First address given out.
        last: Last address given out.
        path: File that the leases are kept in, oldest first.
    """

    def __init__(self, first: IPv4Address, last: IPv4Address, path: Path) -> None:
        self._path = path
        held: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
        self._range = [IPv4Address(number) for number in range(int(first), int(last) + 1)]
        self._held = {mac: IPv4Address(address) for mac, address in held.items()}

    def lease(self, mac: str, present: Collection[str]) -> IPv4Address:
        """The address of a network card.

        Args:
            mac: Its MAC address.
            present: MAC addresses of the VMs that exist. A lease of any other has run out, and is
                given away (the oldest first) once no address is free.

        Raises:
            RangeExhausted: no address is left.
        """
        mac = mac.upper()
        if mac not in self._held:
            self._held[mac] = self._free({other.upper() for other in present})
            held = {mac: str(address) for mac, address in self._held.items()}
            write_private(self._path, json.dumps(held, indent=1))
        return self._held[mac]

    def _free(self, present: Collection[str]) -> IPv4Address:
        taken = set(self._held.values())
        for address in self._range:
            if address not in taken:
                return address
        for mac in self._held:
            if mac not in present:
                return self._held.pop(mac)
        raise RangeExhausted(f"no DHCP lease is left in {self._range[0]}-{self._range[-1]}: widen the range")
