"""Make a template from a disk image that Proxmox VE has downloaded (content type `import`).

By API calls and not by a `VmLegacy` resource: that one can neither adopt the template that is there,
nor leave one that is kept, nor say which linked clones stand in the way of its removal; here a template
is one kind of resource with one life, whatever made it.
https://pve.proxmox.com/pve-docs/qm.1.html, `import-from`; https://wiki.debian.org/Cloud/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxmoxer import ProxmoxAPI

from components.images.templates import TemplateError
from components.machines.component import DISK
from components.process import abandoned
from components.proxmox import ApiError, api_errors, wait_for_task

CLOUD_INIT = "ide0"
"""As in the image that Packer builds."""


def build(api: ProxmoxAPI, props: dict[str, Any], vm_id: int) -> None:
    """Create a VM around the disk image, grow its disk and make it a template. It is never started.

    Args:
        api: The cluster.
        props: Inputs of a `Template` of source cloud-image.
        vm_id: VMID for the template, which is free.

    Raises:
        TemplateError: which of these steps failed, in the words of the API.
    """
    vms = api.nodes(props["buildNode"]).qemu
    storage, vlan = props["diskStorage"], props["vlan"]
    hardware = {
        "vmid": vm_id,
        "name": props["name"],
        "description": props["description"],
        "tags": "debian-12;oss-nextgen",
        "ostype": "l26",
        "cpu": "host",
        "cores": 2,
        "memory": 2048,
        "agent": "enabled=1",
        # Debian's cloud kernel writes to a serial console, and stops where there is none.
        "serial0": "socket",
        "vga": "serial0",
        "scsihw": "virtio-scsi-single",
        DISK: f"{storage}:0,import-from={props['diskImage']},discard=on,iothread=1,ssd=1",
        CLOUD_INIT: f"{storage}:cloudinit",
        "boot": f"order={DISK}",
        "net0": f"virtio,bridge={props['bridge']}" + (f",tag={vlan}" if vlan else ""),
    }
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("importing the disk image", lambda: vms.post(**hardware)),
        ("growing the disk", lambda: vms(vm_id).resize.put(disk=DISK, size=f"{int(props['diskGib'])}G")),
        ("making it a template", vms(vm_id).template.post),
    )
    for step, call in steps:
        if abandoned():
            raise TemplateError(f"The image {props['name']} was not built: the engine was killed.")
        try:
            with api_errors():
                upid = call()
            wait_for_task(api, upid)
        except ApiError as error:
            raise TemplateError(f"The image {props['name']} was not built; it stopped at: {step}. {error}") from None
