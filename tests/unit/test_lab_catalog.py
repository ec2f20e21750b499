"""What the lab's services are told, from the stack file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.layout import Lab
from lab.proxmox.config import read
from lab.proxmox.storages import storages
from lab.services import catalog
from lab.services.supervisor import ServiceError

STACK = {
    "proxmox": {"nodes": ["pve1", "pve2"], "diskStorage": "ceph-vm"},
    "network": {"vlan": 75},
    "pools": [{}, {"storage": "local-zfs", "bridge": "vmbr1"}, {"storage": "ceph-vm"}],
}


def test_proxmox_has_what_the_pools_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "stack_values", lambda _site: STACK)
    site = Lab(home=tmp_path, block=83).site("paris")

    assert catalog.write_proxmox_config(site, [])
    former = json.loads(site.proxmox_config.read_text())
    config = read(site.proxmox_config)
    assert config.nodes == ("pve1", "pve2")
    assert (config.iso_storage, config.disk_storages) == ("local", ("ceph-vm", "local-zfs"))
    assert config.bridges == ("vmbr0", "vmbr1")

    assert not catalog.write_proxmox_config(site, [])
    assert json.loads(site.proxmox_config.read_text()) == former


def test_what_the_nodes_share() -> None:
    found = storages("local", ["local-lvm", "ceph-vm"])
    assert {name: bool(store.get("shared")) for name, store in found.items()} == {
        "local": False,
        "local-lvm": False,
        "ceph-vm": True,
    }
    assert storages("tank", ["tank"])["tank"]["content"].split(",") == ["iso", "vztmpl", "backup", "import"]


def test_a_block_is_of_one_lab(tmp_path: Path) -> None:
    first, second = (Lab(home=tmp_path / name, block=95) for name in ("first", "second"))
    mirror = catalog.mirror(first, {})
    catalog.claim_block(first, mirror)
    mirror.start()
    try:
        catalog.claim_block(first, mirror)
        with pytest.raises(ServiceError, match=r"127\.95\.0\.1:8443 is taken .* OSS_NEXTGEN_LAB_BLOCK="):
            catalog.claim_block(second, catalog.mirror(second, {}))
    finally:
        mirror.stop()
