"""Templates as Proxmox VE has them: is one fit to be cloned, and what is still based on it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxmoxer import ProxmoxAPI

from components.machines.component import DISK
from components.proxmox import Vm, api_errors

DRIVE = re.compile(r"(ide|sata|scsi|virtio)\d+")


class TemplateError(Exception):
    """A template that cannot be found, built, adopted or removed."""


def config(api: ProxmoxAPI, vm: Vm) -> dict[str, Any]:
    """The configuration of a VM.

    Raises:
        ApiError: the API refused or could not be reached.
    """
    with api_errors():
        found: dict[str, Any] = api.nodes(vm.node).qemu(vm.vm_id).config.get()
    return found


def flaws(vm_id: int, template: Mapping[str, Any]) -> Iterator[str]:
    """What a template lacks for the clones to become machines, and how to add it.

    Args:
        vm_id: VMID of the template.
        template: Its configuration.
    """
    # `agent: 1,...` or `agent: enabled=1,...`
    if str(template.get("agent", "0")).split(",")[0].removeprefix("enabled=") != "1":
        yield f"its guest agent is off (`qm set {vm_id} --agent enabled=1`, and qemu-guest-agent in the image)"
    if not any(DRIVE.fullmatch(key) and "cloudinit" in str(value) for key, value in template.items()):
        yield f"it has no cloud-init drive (`qm set {vm_id} --ide0 STORAGE:cloudinit`, and cloud-init in the image)"
    if "media=cdrom" in str(template.get(DISK, "media=cdrom")):
        yield f"it has no disk at {DISK}, the one that machines grow"


def linked_clones(api: ProxmoxAPI, template: Vm) -> list[str]:
    """The VMs, `name (VM id)`, whose disks are based on a template's.

    The volume of a linked clone is named below its base (`nfs:2007/base-2007-disk-0.qcow2/2101/...`,
    `local-zfs:base-2007-disk-0/vm-2101-disk-0`). LVM-thin names it otherwise, and needs no base.

    Raises:
        ApiError: the API refused or could not be reached.
    """
    bases = tuple(f"{volume}/" for volume in _volumes(config(api, template)))
    with api_errors():
        guests: list[dict[str, Any]] = api.cluster.resources.get(type="vm")
        others = [guest for guest in guests if guest["type"] == "qemu" and guest["vmid"] != template.vm_id]
        configs = {guest["vmid"]: api.nodes(guest["node"]).qemu(guest["vmid"]).config.get() for guest in others}
    return [
        f"{found.get('name', 'unnamed')} (VM {vm_id})"
        for vm_id, found in sorted(configs.items())
        if any(volume.startswith(bases) for volume in _volumes(found))
    ]


def _volumes(found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if DRIVE.fullmatch(key):
            yield str(value).partition(",")[0]
