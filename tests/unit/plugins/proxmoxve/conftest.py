"""A Proxmox VE with a template, and a provider that is configured for it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.plugins.proxmoxve import PLUGIN
from tests.unit.plugins.proxmoxve.fake_proxmox import LoggedCall, Proxmox

TEMPLATE = 2000
DISK_GIB = 20


@pytest.fixture
def proxmox(serve_proxmox: Callable[[Any], Any]) -> Any:
    """Two nodes, one template on the first, tasks that end at once."""
    server = Proxmox()
    server.add_node("pve2")
    server.storages["local-lvm"]["volumes"] = {
        f"base-{TEMPLATE}-disk-0": {"content": "images", "format": "raw", "size": DISK_GIB * 2**30, "vmid": TEMPLATE}
    }
    config = {
        "template": 1,
        "cores": 1,
        "scsihw": "virtio-scsi-single",
        "scsi0": f"local-lvm:base-{TEMPLATE}-disk-0,discard=on,iothread=1,size={DISK_GIB}G",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
        "boot": "order=scsi0",
    }
    server.add_vm(TEMPLATE, "debian-12", template=True, config=config)
    return serve_proxmox(server)


@pytest.fixture
def call(proxmox: Proxmox, proxmox_token: str) -> Iterator[LoggedCall]:
    """An operation of a provider that is configured for `proxmox`."""
    config = PLUGIN.configure({"endpoint": proxmox.url, "apiToken": proxmox_token})
    yield LoggedCall(config=config, urn="urn:pulumi:test::oss-nextgen::type::name")
    config.api.session.close()
