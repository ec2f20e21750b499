"""Which of the addresses that a guest agent reports is the machine's own. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from settings import AddressRange


class AddressError(Exception):
    """A VM without a usable address. The message says what to look at."""


class SilentAgentError(AddressError):
    """The guest agent reports nothing: the VM is off, or its agent does not run."""


@dataclass(frozen=True)
class Interface:
    """A network interface, as the guest agent reports it."""

    mac_address: str
    """In capitals."""
    ipv4: Sequence[str]
    ipv6: Sequence[str]

    @classmethod
    def of(cls, reported: Mapping[str, Any]) -> Interface:
        """Read one entry of the agent's `network-get-interfaces`."""
        found = reported.get("ip-addresses") or []
        families = {
            family: [one["ip-address"] for one in found if one["ip-address-type"] == family]
            for family in ("ipv4", "ipv6")
        }
        return cls(reported.get("hardware-address", "").upper(), **families)


def own_address(vm: str, mac: str, dhcp: AddressRange, interfaces: Sequence[Interface]) -> str:
    """The IPv4 address that DHCP gave to a VM's network device.

    The interface is found by its MAC address, never by its position: the agent also reports the
    loopback interface, those of the CNI, and, on a control-plane node, the API server's virtual
    address on the VM's own interface. The last is why the address must be a lease.

    Args:
        vm: How to name the VM in an error, such as `paris-masters-1 (VM 2101 on node pve1)`.
        mac: MAC address of its network device.
        dhcp: Where leases come from.
        interfaces: In the agent's order; empty if it does not answer.

    Raises:
        SilentAgentError: there are no interfaces.
        AddressError: the VM's own interface is not there, or has no such address.
    """
    if not interfaces:
        raise SilentAgentError(
            f"{vm}: its guest agent reported no interface. Check on the VM's console that it has booted, that"
            " `systemctl status qemu-guest-agent` shows it running, and that DHCP gave it an address; then run"
            " `pulumi up` again."
        )
    own = next((one for one in interfaces if one.mac_address == mac.upper()), None)
    if own is None:
        others = ", ".join(one.mac_address for one in interfaces)
        raise AddressError(
            f"{vm}: its guest agent reported no interface with the MAC address {mac}, only {others}. Check the VM's"
            " network device: it was changed, or the guest overrides it."
        )
    leases = [address for address in own.ipv4 if IPv4Address(address) in dhcp]
    if leases:
        return leases[0]
    if own.ipv4:
        raise AddressError(
            f"{vm}: {mac} has {', '.join(own.ipv4)}, none of them in network.dhcp ({dhcp}). Check the range in the"
            " stack file, the bridge and the VLAN, and whether another DHCP server answers there."
        )
    raise AddressError(
        f"{vm}: {mac} has no IPv4 address" + (f", only {', '.join(own.ipv6)}" if own.ipv6 else "") + ". Check that the"
        f" DHCP server is up and has leases left in {dhcp}, and the bridge and VLAN of the VM."
    )
