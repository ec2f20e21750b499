"""The resource that the dynamic provider of this room serves."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.machines.placement import Place
from components.machines.provider import GuestAddressProvider
from settings import AddressRange, Proxmox


@dataclass(frozen=True)
class GuestAddressArgs:
    """Whose address, and how its agent is asked."""

    place: Place
    proxmox: Proxmox
    api_token: pulumi.Input[str]
    """`user@realm!tokenid=uuid`, secret."""
    dhcp: AddressRange
    disk_gib: int
    """What its disk was made or grown to: it cannot become smaller."""


class GuestAddress(Resource, module="machines", name="GuestAddress"):
    """The IPv4 address that DHCP gave to a running machine. The id is the machine's SMBIOS UUID."""

    address: pulumi.Output[str]

    def __init__(self, name: str, args: GuestAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "endpoint": args.proxmox.endpoint,
            "apiToken": args.api_token,
            "insecure": args.proxmox.insecure,
            "vm": args.place.name,
            "vmId": args.place.vm_id,
            "macAddress": args.place.mac_address,
            "dhcp": {"first": str(args.dhcp.first), "last": str(args.dhcp.last)},
            "bootSeconds": args.proxmox.boot_seconds,
            "diskGib": args.disk_gib,
            # Only known once the machine has booted; an output has to be declared.
            "address": None,
        }
        super().__init__(GuestAddressProvider(), name, props, opts)
