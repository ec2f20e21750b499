"""Disk images: the product makes a template from one, and what Proxmox VE says where that cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proxmoxer import ResourceException

from components.images import cloud_image
from components.images.templates import TemplateError, flaws
from tests.unit.proxmox.running import Files, Service

pytestmark = pytest.mark.timeout(300)
IMAGE = {"packages": ["openssh-server", "sudo", "qemu-guest-agent", "cloud-init", "open-iscsi"], "sshPort": 2222}
PROPS = {
    "name": "paris-debian-12-0123456789ab",
    "description": "golden",
    "buildNode": "pve1",
    "diskStorage": "local-lvm",
    "diskGib": 20.0,
    "diskImage": "local:import/debian.qcow2",
    "bridge": "vmbr0",
    "vlan": "75",
}
TEMPLATE, CLONE = 2007, 2101


@pytest.fixture(scope="module")
def images(service: Service, files: Files) -> None:
    """Three files of content type import: a disk image, one with an unknown package, and something else."""
    contents = {"debian": IMAGE, "unknown": {"packages": ["no-such-package"]}, "text": "no image"}
    for name, content in contents.items():
        files.files[f"/{name}.qcow2"] = json.dumps(content).encode()
        there = {"content": "import", "filename": f"{name}.qcow2", "url": f"{files.url}/{name}.qcow2"}
        service.ok(service.api.nodes("pve1").storage("local")("download-url").post(**there))


@pytest.fixture(scope="module")
def template(service: Service, images: None) -> dict[str, Any]:
    """Configuration of the template that the product makes."""
    cloud_image.build(service.api, PROPS, TEMPLATE)
    config: dict[str, Any] = service.vm(TEMPLATE).config.get()
    return config


def test_the_template(template: dict[str, Any]) -> None:
    assert template["template"] == 1
    assert (template["name"], template["tags"]) == (PROPS["name"], "debian-12;oss-nextgen")
    assert template["scsi0"].startswith("local-lvm:base-2007-disk-0,")
    assert {"size=20G", "discard=on", "ssd=1", "iothread=1"} <= set(template["scsi0"].split(","))
    assert (template["serial0"], template["vga"], template["boot"]) == ("socket", "serial0", "order=scsi0")
    assert template["net0"].endswith(",bridge=vmbr0,tag=75")
    assert list(flaws(TEMPLATE, template)) == []


def test_a_clone_is_a_machine_of_its_own(service: Service, template: dict[str, Any]) -> None:
    root = service.home / "state/guests"
    assert (root / f"{TEMPLATE}/root/etc/machine-id").read_text() == ""
    service.ok(service.vm(TEMPLATE).clone.post(newid=CLONE, name="paris-masters-1", full=1))
    service.vm(CLONE).config.put(net0="virtio=02:00:00:00:21:01,bridge=vmbr0", ciuser="ossng")
    service.ok(service.vm(CLONE).status.start.post())
    assert service.ipv4(CLONE)
    assert (root / f"{CLONE}/root/etc/hostname").read_text() == "paris-masters-1\n"
    assert (root / f"{CLONE}/root/etc/machine-id").read_text() != ""
    assert list((root / f"{CLONE}/root/etc/ssh").glob("ssh_host_*"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("local:import/missing.qcow2", "volume 'local:import/missing.qcow2' does not exist"),
        ("local:import/text.qcow2", "could not import 'local:import/text.qcow2': not a disk image of the lab"),
        ("local:import/unknown.qcow2", "the lab has no package no-such-package"),
    ],
)
def test_a_disk_image_that_cannot_be_imported(service: Service, images: None, file: str, message: str) -> None:
    with pytest.raises(TemplateError) as failure:
        cloud_image.build(service.api, {**PROPS, "diskImage": file}, 2008)
    assert "was not built; it stopped at: importing the disk image" in str(failure.value)
    assert message in str(failure.value)
    assert 2008 not in [vm["vmid"] for vm in service.api.nodes("pve1").qemu.get()]


def test_what_the_lab_does_not_model_of_imports_is_refused(service: Service, template: dict[str, Any]) -> None:
    with pytest.raises(ResourceException, match=r"501.*for a new VM only"):
        service.vm(TEMPLATE).config.put(scsi1=f"local-lvm:0,import-from={PROPS['diskImage']}")
    with pytest.raises(ResourceException, match=r"501.*content type import only"):
        service.api.nodes("pve1").qemu.post(vmid=2009, scsi0="local-lvm:0,import-from=local-lvm:base-2007-disk-0")


def test_the_base_of_a_linked_clone_is_not_removed(service: Service) -> None:
    service.root.storage.post(storage="shared", type="dir", path="/srv/images", content="images")
    node = service.root.nodes("pve1")
    service.ok(node.qemu.post(vmid=2010, scsi0="shared:8,format=qcow2"))
    service.ok(node.qemu(2010).template.post())
    service.ok(node.qemu(2010).clone.post(newid=2011, full=0))
    with pytest.raises(ResourceException, match=r"base volume 'shared:2010/base-2010-disk-0\.qcow2' is still in use"):
        node.qemu(2010).delete()
    service.ok(node.qemu(2011).delete())
    service.ok(node.qemu(2010).delete())
