"""What the site's API does as Proxmox VE does it, and what it refuses because the lab does not have it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI, ResourceException

from lab.proxmox.config import ConfigError, read
from tests.unit.proxmox.running import GOLDEN, ISO, TOKEN, Files, Service

pytestmark = pytest.mark.timeout(300)
VM = 500


@pytest.fixture
def vm(service: Service) -> Any:
    """A stopped VM with a disk and a cloud-init drive (VM 500)."""
    disks = {"scsi0": "local-lvm:8", "ide0": "local-lvm:cloudinit"}
    service.ok(service.api.nodes("pve1").qemu.post(vmid=VM, name="vm", net0="virtio,bridge=vmbr0", **disks))
    yield service.vm(VM)
    machine = service.root.nodes("pve1").qemu(VM)
    machine.config.put(protection=0)
    if machine.status.current.get()["status"] == "running":
        service.ok(machine.status.stop.post())
    service.ok(machine.delete())


def refused(call: Any, **values: Any) -> str:
    with pytest.raises(ResourceException) as error:
        call(**values)
    return f"{error.value.status_code} {error.value.status_message} {error.value.content} {error.value.errors or ''}"


# ------------------------------------------------------------------ as the real one fails


def test_vm_id_that_exists(service: Service, vm: Any) -> None:
    node = service.api.nodes("pve1")
    assert f"unable to create VM {VM} - VM {VM} already exists on node 'pve1'" in refused(node.qemu.post, vmid=VM)
    assert f"unable to create VM {VM}: config file already exists" in refused(vm.clone.post, newid=VM)
    assert "already exists" in refused(service.api.cluster.nextid.get, vmid=VM)
    assert int(service.api.cluster.nextid.get(vmid=VM + 1)) == VM + 1
    assert int(service.api.cluster.nextid.get()) == 100


def test_medium_that_is_missing(service: Service, vm: Any) -> None:
    drive = "local:iso/missing.iso,media=cdrom"
    upid = service.api.nodes("pve1").qemu.post(vmid=501, ide2=drive)
    assert service.done(upid) == "unable to create VM 501 - volume 'local:iso/missing.iso' does not exist"
    assert 501 not in [found["vmid"] for found in service.api.nodes("pve1").qemu.get()]
    assert "volume 'local:iso/missing.iso' does not exist" in refused(vm.config.put, ide2=drive)


def test_running_or_protected_vm_is_not_destroyed(service: Service, vm: Any) -> None:
    service.ok(vm.status.start.post())
    assert f"VM {VM} is running - destroy failed" in refused(vm.delete)
    assert f"VM {VM} already running" in service.done(vm.status.start.post())
    service.ok(vm.status.stop.post())
    vm.config.put(protection=1)
    assert f"can't remove VM {VM} - protection mode enabled" in refused(vm.delete)
    assert "can't remove drive 'scsi0' - protection mode enabled" in refused(vm.config.put, delete="scsi0")


def test_vm_without_a_system_hears_no_shutdown(service: Service, vm: Any) -> None:
    service.ok(vm.status.start.post())
    assert service.done(vm.status.shutdown.post(timeout=2)) == "VM quit/powerdown failed - got timeout"


def test_template_does_not_start_and_is_made_once(service: Service, golden: int) -> None:
    assert service.done(service.vm(golden).status.start.post()) == "you can't start a vm if it's a template"
    assert "you can't convert a template to a template" in refused(service.vm(golden).template.post)


def test_bridge_that_is_missing(service: Service, vm: Any) -> None:
    vm.config.put(net0="virtio,bridge=vmbr9")
    assert service.done(vm.status.start.post()) == "bridge 'vmbr9' does not exist"


def test_disk_grows_and_never_shrinks(service: Service, vm: Any) -> None:
    service.ok(vm.resize.put(disk="scsi0", size="20G"))
    service.ok(vm.resize.put(disk="scsi0", size="+1G"))
    assert vm.config.get()["scsi0"].endswith("size=21G")
    assert service.done(vm.resize.put(disk="scsi0", size="5G")) == "shrinking disks is not supported"
    assert service.done(vm.resize.put(disk="scsi7", size="5G")) == "disk 'scsi7' does not exist"


def test_cloud_init_drive_is_named_and_follows_its_vm(service: Service, vm: Any) -> None:
    assert vm.config.get()["ide0"] == f"local-lvm:vm-{VM}-cloudinit,media=cdrom,size=4M"
    service.ok(vm.clone.post(newid=503))
    assert service.vm(503).config.get()["ide0"] == "local-lvm:vm-503-cloudinit,media=cdrom,size=4M"
    service.vm(503).config.put(delete="ide0")
    service.ok(service.vm(503).delete())
    assert not [item for item in _volumes(service) if "503" in item]


def test_detached_disk_is_kept_as_unused_and_goes_with_its_vm(service: Service, vm: Any) -> None:
    vm.config.put(scsi1="local-lvm:4")
    disk = vm.config.get()["scsi1"].split(",")[0]
    vm.config.put(delete="scsi1")
    assert vm.config.get()["unused0"] == disk
    assert disk in _volumes(service)


def test_local_storage_ties_a_vm_to_its_node(service: Service, vm: Any) -> None:
    assert "can't clone VM to node 'pve2' (VM uses local storage)" in refused(vm.clone.post, newid=504, target="pve2")
    assert service.done(vm.migrate.post(target="pve2")) == "migration aborted"
    assert "no such cluster node 'pve9'" in refused(vm.migrate.post, target="pve9")
    service.ok(vm.migrate.post(target="pve2", **{"with-local-disks": 1}))
    there = service.vm(VM, "pve2")
    assert there.config.get()["name"] == "vm"
    service.ok(there.migrate.post(target="pve1", **{"with-local-disks": 1}))


def test_download_is_real(service: Service, files: Files) -> None:
    download = service.api.nodes("pve1").storage("local")("download-url").post
    there = {"content": "iso", "filename": "another.iso", "checksum-algorithm": "sha256"}
    right = hashlib.sha256(files.files[f"/{ISO}"]).hexdigest()
    url = f"{files.url}/{ISO}"
    assert "404 Client Error" in service.done(download(url=f"{files.url}/none", checksum=right, **there))
    wrong = service.done(download(url=url, checksum="0" * 64, **there))
    assert wrong == f"checksum mismatch: got '{right}' != expect '{'0' * 64}'"
    assert "local:iso/another.iso" not in _volumes(service, "local")
    service.ok(download(url=url, checksum=right, **there))
    (item,) = [i for i in service.api.nodes("pve1").storage("local").content.get() if "another" in i["volid"]]
    assert item["size"] == len(files.files[f"/{ISO}"])
    assert "refusing to override existing file" in service.done(download(url=url, checksum=right, **there))
    assert service.api.nodes("pve1")("query-url-metadata").get(url=url) == {"filename": ISO, "size": item["size"]}


def test_keys_that_qemu_does_not_know(service: Service, vm: Any) -> None:
    assert f"VM {VM} not running" in refused(vm.monitor.post, command="sendkey ret")
    service.ok(vm.status.start.post())
    assert vm.monitor.post(command="sendkey ret") == ""
    assert vm.monitor.post(command="sendkey no-such-key") == "invalid parameter: no-such-key"


# -------------------------------------------------------------------------------- access


def test_token_has_a_role_of_its_own(service: Service) -> None:
    held = service.api.access.permissions.get()["/"]
    assert {"VM.Allocate", "VM.Clone", "Datastore.AllocateSpace", "SDN.Use"} <= held.keys()
    assert "Permissions.Modify" not in held
    assert "Permissions.Modify" in service.root.access.permissions.get()["/"]


def test_wrong_token_and_wrong_password_are_refused(service: Service) -> None:
    where = {"host": str(service.address), "verify_ssl": str(service.bundle)}
    user, _, name = TOKEN["id"].partition("!")
    api = ProxmoxAPI(user=user, token_name=name, token_value="0" * 36, **where)
    assert "401" in refused(api.nodes.get)
    with pytest.raises(Exception, match="Couldn't authenticate"):
        ProxmoxAPI(user="root@pam", password="wrong", **where)


# ---------------------------------------------------------------------------- not modelled


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", f"nodes/pve1/qemu/{GOLDEN}/snapshot"),
        ("post", f"nodes/pve1/qemu/{GOLDEN}/status/suspend"),
        ("post", f"nodes/pve1/qemu/{GOLDEN}/agent/exec"),
        ("get", f"nodes/pve1/qemu/{GOLDEN}/rrddata"),
        ("post", "nodes/pve1/lxc"),
        ("post", "pools"),
        ("post", "cluster/ha/resources"),
        ("get", "nodes/pve1/network"),
    ],
)
def test_call_that_is_not_modelled_is_refused_by_name(service: Service, method: str, path: str) -> None:
    message = refused(getattr(service.api(path), method))
    assert re.search(rf"501 .*{method.upper()} /api2/json/{path}' is not modelled by the lab's Proxmox VE", message)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"ipconfig0": "ip=10.0.0.2/24"}, "only ip=dhcp"),
        ({"cicustom": "user=local:snippets/user.yaml"}, "snippets"),
        ({"cipassword": "not-shown"}, "give an SSH key"),
    ],
)
def test_cloud_init_that_is_not_modelled_is_refused_by_name(vm: Any, setting: dict[str, str], why: str) -> None:
    message = refused(vm.config.put, **setting)
    assert f"{next(iter(setting))} is not modelled" in message
    assert why in message
    assert "not-shown" not in message


def test_configuration_names_its_problems_without_values(tmp_path: Path, service: Service) -> None:
    path = tmp_path / "proxmox.json"
    with pytest.raises(ConfigError, match="The lab's commands write this file"):
        read(path)
    path.write_text(json.dumps(service.config | {"address": "here", "token": {"id": "x", "secret": "hidden"}}))
    with pytest.raises(ConfigError) as error:
        read(path)
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == ["address", "token.id"]
    assert "hidden" not in str(error.value)


def _volumes(service: Service, storage: str = "local-lvm") -> list[str]:
    return [item["volid"] for item in service.api.nodes("pve1").storage(storage).content.get()]
