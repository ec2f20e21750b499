"""A machine's address, and its dynamic provider: what its guest agent reports, once it does.

The proxmoxve provider could wait for the agent itself, but then the next clone on the same node would
wait for this VM's boot, and it takes the first address of any interface for an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from proxmoxer import ProxmoxAPI
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.dynamic import Provider
from components.machines.addresses import AddressError, Interface, SilentAgentError, own_address
from components.machines.placement import Place
from components.proxmox import ApiError, Vm, api_errors, client, find_vm
from settings import AddressRange, Proxmox

PAUSE = 1.0
"""Seconds between two questions to an agent."""
CONNECTION = {"endpoint", "apiToken", "insecure", "bootSeconds"}
"""How to ask, and for how long: a change of these alone asks nothing."""


class GuestAddressProvider(Provider):
    """Asks at a create, a refresh, and an update of what the answer depends on."""

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse a smaller disk, which Proxmox VE would refuse in the middle of an update.

        The state has the size of the last update of the whole pool that succeeded: one that failed is taken back.
        """
        size, former = news["diskGib"], olds.get("diskGib", 0)
        if size >= former:
            return CheckResult(news, [])
        reason = (
            f"the disk of {news['vm']} has {former:.0f} GiB, and diskGib is now {size:.0f}: a disk can grow but not"
            f" shrink. Put {former:.0f} back; for smaller disks, make another pool and move to it"
        )
        return CheckResult(news, [CheckFailure("diskGib", reason)])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for the address. The id is the UUID that the VM's clone was given.

        Raises:
            AddressError: there is none after `bootSeconds`.
            ApiError: the API refused, or the VM's node does not answer.
        """
        address = _wait(props)
        return CreateResult(_uuid(_api(props), props), {**props, "address": address})

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        # The engine records a disk that has grown, as an input; no update is needed for that.
        return super().changed(olds, news) - {"address", "diskGib"}

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        asks = self.changed(olds, news) - CONNECTION
        return UpdateResult({**news, "address": _wait(news) if asks else olds["address"]})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The address as it is now; a VM that is off, or whose agent is silent, keeps the one that it had.

        Raises:
            AddressError: the machine runs without a usable address.
            ApiError: the API refused, or the VM's node does not answer.
        """
        try:
            return ReadResult(id_, {**props, "address": _address(_api(props), props)})
        except LookupError:
            return ReadResult("", {})
        except SilentAgentError:
            return ReadResult(id_, props)


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


def _api(props: dict[str, Any]) -> ProxmoxAPI:
    return client(props["endpoint"], props["apiToken"], props["insecure"])


def _wait(props: dict[str, Any]) -> str:
    api, deadline = _api(props), time.monotonic() + props["bootSeconds"]
    while True:
        try:
            return _address(api, props)
        except AddressError as error:
            if time.monotonic() >= deadline:
                waited = f"after {props['bootSeconds']:.0f} s (proxmox.bootSeconds)"
                raise AddressError(f"No address {waited}. {error}") from None
        except LookupError as error:
            raise AddressError(str(error)) from None
        time.sleep(PAUSE)


def _uuid(api: ProxmoxAPI, props: dict[str, Any]) -> str:
    """The VM's SMBIOS UUID: a clone is given one of its own, and a backup that is restored keeps it."""
    vm = _vm(api, props)
    with api_errors():
        config: dict[str, str] = api.nodes(vm.node).qemu(vm.vm_id).config.get()
    return dict(part.split("=", 1) for part in config["smbios1"].split(","))["uuid"].lower()


def _address(api: ProxmoxAPI, props: dict[str, Any]) -> str:
    vm = _vm(api, props)
    name = f"{props['vm']} (VM {vm.vm_id} on node {vm.node})"
    dhcp = AddressRange.model_validate(props["dhcp"])
    return own_address(name, props["macAddress"], dhcp, _interfaces(api, vm.node, vm.vm_id))


def _vm(api: ProxmoxAPI, props: dict[str, Any]) -> Vm:
    vm = find_vm(api, int(props["vmId"]))
    if vm is None:
        raise LookupError(f"{props['vm']} (VM {int(props['vmId'])}) is gone: run `pulumi refresh`, then `pulumi up`")
    return vm


def _interfaces(api: ProxmoxAPI, node: str, vm_id: int) -> list[Interface]:
    """What the agent reports; nothing while the VM is off or its agent not up, which the API tells by a 500."""
    try:
        with api_errors():
            answer: dict[str, Any] = api.nodes(node).qemu(vm_id).agent("network-get-interfaces").get()
    except ApiError as error:
        if error.status == 500:
            return []
        raise
    return [Interface.of(reported) for reported in answer.get("result") or []]
