"""Where a pool's machines go: names, VMIDs, MAC addresses and Proxmox nodes. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from settings import Pool, Proxmox


@dataclass(frozen=True)
class Place:
    """One machine's, the same in every run."""

    number: int
    """From 1."""
    name: str
    """`<site>-<pool>-<n>`, such as `paris-masters-1`."""
    vm_id: int
    node: str
    """Proxmox node that it is made on. It may be moved later."""

    @property
    def mac_address(self) -> str:
        """The MAC address of a VM, from its VMID alone, so that a DHCP reservation survives a rebuild.

        `02:00` makes it a locally administered unicast address (IEEE 802, the second-lowest bit of the
        first octet); the VMID, below 2^30, fills the other four octets. In capitals, as Proxmox shows it.
        """
        return ":".join(f"{octet:02X}" for octet in (0x02, 0x00, *self.vm_id.to_bytes(4)))


def places(site: str, pool: Pool, proxmox: Proxmox) -> Iterator[Place]:
    """A pool's machines, spread over its Proxmox nodes in turn.

    A machine's place does not depend on how many there are: growing a pool adds at the end, and
    shrinking it takes from there.
    """
    nodes = pool.nodes or proxmox.nodes
    for index, offset in enumerate(pool.offsets):
        name = f"{site}-{pool.name}-{index + 1}"
        yield Place(index + 1, name, proxmox.vm_id_base + offset, nodes[index % len(nodes)])
