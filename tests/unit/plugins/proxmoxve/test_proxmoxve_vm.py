"""VmLegacy against a real HTTP API: what it sends, what it returns, how it fails."""

import copy
from typing import Any

import pytest

from lab.plugins.base import UNKNOWN, PartialCreate, Props, ResourceError
from lab.plugins.proxmoxve import PLUGIN
from lab.plugins.proxmoxve.vm import VmLegacy
from tests.unit.plugins.proxmoxve.fake_proxmox import LoggedCall

VM = VmLegacy()
MAC = "02:00:00:00:08:35"


def declare(call: LoggedCall, **changes: Any) -> Props:
    """Checked inputs of a clone, as a program would declare it."""
    inputs = {
        "nodeName": "pve1",
        "vmId": 2101,
        "name": "paris-masters-1",
        "tags": ["control-plane", "paris"],
        "clone": {"vmId": 2000},
        "agent": {"enabled": True, "timeout": "5s", "waitForIp": {"ipv4": True}},
        "cpu": {"cores": 2, "type": "host"},
        "memory": {"dedicated": 4096},
        "disks": [{"interface": "scsi0", "size": 40, "discard": "on", "iothread": True}],
        "networkDevices": [{"bridge": "vmbr0", "macAddress": MAC}],
        "initialization": {
            "ipConfigs": [{"ipv4": {"address": "dhcp"}}],
            "userAccount": {"username": "ossng", "keys": ["ssh-ed25519 AAAA+/= ossng"]},
        },
        "stopOnDestroy": True,
        **changes,
    }
    values, failures = VM.check({name: value for name, value in inputs.items() if value is not None}, None, call)
    assert failures == []
    return values


def read(call: LoggedCall, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props]:
    """Read a VM that is there."""
    found = VM.read(id, inputs, outputs, call)
    assert found is not None
    return found


def writes(proxmox: Any) -> list[str]:
    return [f"{method} {path.partition('/json')[2]}" for method, path, _ in proxmox.requests if method != "GET"]


def test_clone(proxmox: Any, call: LoggedCall) -> None:
    id, outputs = VM.create(declare(call), call)

    assert id == "2101"
    assert outputs["ipv4Addresses"] == [["127.0.0.1"], ["192.0.2.101"]]
    assert outputs["ipv6Addresses"] == [[], ["fe80::1"]]
    assert outputs["macAddresses"] == ["00:00:00:00:00:00", MAC]
    assert outputs["networkInterfaceNames"] == ["lo", "ens18"]
    assert outputs["networkDevices"][0]["macAddress"] == MAC
    vm = proxmox.vm(2101)
    assert (vm.status, vm.node, vm.name) == ("running", "pve1", "paris-masters-1")
    assert vm.config["cores"] == "2"
    assert vm.config["tags"] == "control-plane;paris"
    assert vm.config["scsihw"] == "virtio-scsi-single"
    assert "size=40G" in vm.config["scsi0"]
    assert vm.config["sshkeys"] == "ssh-ed25519%20AAAA%2B%2F%3D%20ossng"
    assert vm.config["ipconfig0"] == "ip=dhcp"
    assert "cloudinit" in vm.config["ide2"]


def test_second_up_and_refresh_change_nothing(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    id, outputs = VM.create(inputs, call)
    assert VM.diff(inputs, outputs, declare(call), call).changes == {}

    before = len(writes(proxmox))
    assert read(call, id, inputs, outputs) == (id, inputs, outputs)
    VM.update(id, outputs, inputs, inputs, call)
    assert len(writes(proxmox)) == before


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"vmId": 2102}, {"vmId"}),
        ({"nodeName": "pve2"}, {"nodeName"}),
        ({"clone": {"vmId": 2001}}, {"clone.vmId"}),
    ],
)
def test_replacement(call: LoggedCall, change: Props, paths: set[str]) -> None:
    diff = VM.diff(declare(call), {"vmId": 2101}, declare(call, **change), call)
    assert {path for path, one in diff.changes.items() if one.replace} == paths
    assert diff.delete_before_replace


def test_update_in_place(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    id, outputs = VM.create(inputs, call)
    new = declare(
        call,
        tags=["paris"],
        protection=True,
        description="first master",
        disks=[{"interface": "scsi0", "size": 60, "discard": "on", "iothread": True}],
    )
    diff = VM.diff(inputs, outputs, new, call)
    assert set(diff.changes) == {"tags[0]", "tags[1]", "protection", "description", "disks[0].size"}
    assert not any(change.replace for change in diff.changes.values())

    started = proxmox.vm(2101).started_at
    VM.update(id, outputs, inputs, new, call)
    config = proxmox.vm(2101).config
    assert (config["tags"], config["protection"], config["description"]) == ("paris", "1", "first master")
    assert "size=60G" in config["scsi0"]
    assert proxmox.vm(2101).started_at == started


def test_a_property_that_is_no_longer_declared_goes(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call, description="to be removed")
    id, outputs = VM.create(inputs, call)
    VM.update(id, outputs, inputs, declare(call), call)
    assert "description" not in proxmox.vm(2101).config


@pytest.mark.parametrize("reboots", [True, False])
def test_more_cores_need_a_reboot(proxmox: Any, call: LoggedCall, reboots: bool) -> None:
    inputs = declare(call, rebootAfterUpdate=reboots)
    id, outputs = VM.create(inputs, call)
    new = declare(call, rebootAfterUpdate=reboots, cpu={"cores": 4, "type": "host"})
    VM.update(id, outputs, inputs, new, call)

    vm = proxmox.vm(2101)
    assert ("POST /nodes/pve1/qemu/2101/status/reboot" in writes(proxmox)) is reboots
    assert (vm.config["cores"] if reboots else vm.pending["cores"]) == "4"
    assert call.messages == ([] if reboots else ["VM 2101 needs a reboot to apply: cores"])
    assert read(call, id, new, outputs)[1] == new


def test_drift(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    id, outputs = VM.create(inputs, call)
    vm = proxmox.vm(2101)
    vm.config["tags"] = "forgotten"
    vm.config["memory"] = "8192"
    vm.status = "stopped"

    _, found, seen = read(call, id, inputs, outputs)
    diff = VM.diff(found, seen, inputs, call)
    assert set(diff.changes) == {"tags[0]", "tags[1]", "memory.dedicated", "started"}
    VM.update(id, seen, found, inputs, call)
    assert (vm.config["tags"], vm.config["memory"], vm.status) == ("control-plane;paris", "4096", "running")


def test_moved_by_hand(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    id, outputs = VM.create(inputs, call)
    proxmox.vm(2101).node = "pve2"
    _, found, seen = read(call, id, inputs, outputs)
    assert found["nodeName"] == "pve2"
    with pytest.raises(ResourceError, match=r"nodes/pve1/qemu-server/2101\.conf' does not exist"):
        VM.delete(id, outputs, call)
    VM.delete(id, seen, call)
    assert proxmox.vm(2101) is None


def test_vanished(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    id, outputs = VM.create(inputs, call)
    proxmox.vms.remove(proxmox.vm(2101))
    assert VM.read(id, inputs, outputs, call) is None
    gone = r"error retrieving VM status: .*nodes/pve1/qemu-server/2101\.conf' does not exist"
    with pytest.raises(ResourceError, match=gone):
        VM.delete(id, outputs, call)


def test_import(proxmox: Any, call: LoggedCall) -> None:
    VM.create(declare(call), call)
    id, inputs, outputs = read(call, "pve1/2101", {}, {})
    assert id == "2101"
    assert inputs["name"] == "paris-masters-1"
    assert inputs["memory"] == {"dedicated": 4096, "floating": 0}
    assert inputs["disks"][0]["size"] == 40
    assert VM.check(inputs, None, call) == (inputs, [])
    assert outputs["ipv4Addresses"][1] == ["192.0.2.101"]
    assert VM.read("pve2/2101", {}, {}, call) is None
    with pytest.raises(ResourceError, match="expected node/id"):
        VM.read("2101", {}, {}, call)


def test_interrupted_creation_is_adopted_and_completed(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call)
    proxmox.fail("PUT", "/qemu/2101/config", 500, "killed here", times=1)
    with pytest.raises(PartialCreate):
        VM.create(inputs, call)
    id, found, outputs = read(call, "pve1/2101", inputs, {})
    assert id == "2101"
    assert VM.diff(found, outputs, inputs, call).changes.keys() >= {"started", "cpu.cores"}
    outputs = VM.update(id, outputs, found, inputs, call)
    assert outputs["ipv4Addresses"][1] == ["192.0.2.101"]
    assert read(call, id, inputs, outputs) == (id, inputs, outputs)


def test_clone_to_another_node_is_migrated(proxmox: Any, call: LoggedCall) -> None:
    VM.create(declare(call, nodeName="pve2", clone={"vmId": 2000, "nodeName": "pve1"}), call)
    assert proxmox.vm(2101).node == "pve2"
    assert "POST /nodes/pve1/qemu/2101/migrate" in writes(proxmox)


def test_clone_to_another_node_on_shared_storage(proxmox: Any, call: LoggedCall) -> None:
    proxmox.storages["local-lvm"]["shared"] = 1
    VM.create(declare(call, nodeName="pve2", clone={"vmId": 2000, "nodeName": "pve1"}), call)
    assert proxmox.vm(2101).node == "pve2"
    assert "POST /nodes/pve1/qemu/2101/migrate" not in writes(proxmox)


def test_existing_vmid(proxmox: Any, call: LoggedCall) -> None:
    proxmox.add_vm(2101, "somebody-elses")
    with pytest.raises(ResourceError, match="unable to create VM 2101: config file already exists") as failure:
        VM.create(declare(call), call)
    assert not isinstance(failure.value, PartialCreate)
    assert proxmox.vm(2101).name == "somebody-elses"


def test_no_template(proxmox: Any, call: LoggedCall) -> None:
    with pytest.raises(ResourceError, match=r"nodes/pve1/qemu-server/1999\.conf' does not exist"):
        VM.create(declare(call, clone={"vmId": 1999}), call)


def test_clone_is_tried_again(proxmox: Any, call: LoggedCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.plugins.proxmoxve.cloning.RETRY_PAUSE", 0)
    text = "can't lock file '/var/lock/qemu-server/lock-2000.conf' - got timeout"
    proxmox.fail("POST", "/qemu/2000/clone", 500, text, times=2)
    with pytest.raises(ResourceError, match="got timeout"):
        VM.create(declare(call), call)
    VM.create(declare(call, clone={"vmId": 2000, "retries": 2}), call)
    assert proxmox.vm(2101).status == "running"


def test_a_clone_that_stays_locked_is_in_the_state(proxmox: Any, call: LoggedCall) -> None:
    proxmox.fail("GET", "/qemu/2101/pending", 595, "No route to host", times=1)
    inputs = declare(call)
    with pytest.raises(PartialCreate, match="No route to host") as failure:
        VM.create(inputs, call)
    VM.update("2101", failure.value.outputs, inputs, inputs, call)
    assert proxmox.vm(2101).status == "running"


def test_failed_start_is_completed_by_the_next_up(proxmox: Any, call: LoggedCall) -> None:
    proxmox.fail("POST", "/qemu/2101/status/start", 500, "start failed: no memory", times=1)
    inputs = declare(call)
    with pytest.raises(PartialCreate, match="start failed: no memory") as failure:
        VM.create(inputs, call)
    assert (failure.value.id, failure.value.outputs["vmId"]) == ("2101", 2101)
    outputs = VM.update("2101", failure.value.outputs, inputs, inputs, call)
    assert outputs["ipv4Addresses"][1] == ["192.0.2.101"]


def test_agent_that_says_nothing(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call, agent={"enabled": False})
    id, outputs = VM.create(inputs, call)
    assert outputs["macAddresses"] == [MAC]
    assert outputs["ipv4Addresses"] == []

    patient = declare(call, agent={"enabled": True, "timeout": "100ms"})
    outputs = VM.update(id, outputs, inputs, patient, call)
    assert outputs["ipv4Addresses"] == []
    assert "QEMU agent on VM 2101" in call.messages[-1]


def test_delete(proxmox: Any, call: LoggedCall) -> None:
    id, outputs = VM.create(declare(call, stopOnDestroy=False), call)
    VM.delete(id, outputs, call)
    assert proxmox.vm(2101) is None
    assert "POST /nodes/pve1/qemu/2101/status/shutdown" in writes(proxmox)
    assert not any("2101" in name for name in proxmox.storages["local-lvm"]["volumes"])


def test_protected_vm_stays(proxmox: Any, call: LoggedCall) -> None:
    id, outputs = VM.create(declare(call, protection=True), call)
    with pytest.raises(ResourceError, match="can't remove VM 2101 - protection mode enabled"):
        VM.delete(id, outputs, call)


def test_refused_token_names_the_privilege(proxmox: Any, call: LoggedCall) -> None:
    proxmox.grant("oss-nextgen@pve", "/vms", "VM.Audit")
    with pytest.raises(ResourceError, match=r"403 .*/vms/2000, VM\.Clone") as failure:
        VM.create(declare(call), call)
    assert "6f2ad9a0" not in str(failure.value)


def test_new_vm_with_a_random_vmid(proxmox: Any, proxmox_token: str, call: LoggedCall) -> None:
    call.config = PLUGIN.configure(
        {
            "endpoint": proxmox.url,
            "apiToken": proxmox_token,
            "randomVmIds": True,
            "randomVmIdStart": 500,
            "randomVmIdEnd": 500,
        }
    )
    inputs = declare(call, vmId=None, clone=None, initialization=None, started=False)
    id, outputs = VM.create(inputs, call)
    assert (id, outputs["vmId"], proxmox.vm(500).status) == ("500", 500, "stopped")
    assert VM.diff(inputs, outputs, inputs, call).changes == {}
    with pytest.raises(ResourceError, match="no free VMID from 500 to 500"):
        VM.create(inputs, call)


def test_template(proxmox: Any, call: LoggedCall) -> None:
    inputs = declare(call, template=True)
    id, outputs = VM.create(inputs, call)
    assert proxmox.vm(2101).template
    assert VM.read(id, inputs, outputs, call) == (id, inputs, outputs)
    assert VM.check(declare(call), inputs, call)[1][0].property == "template"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"efiDisk": {"datastoreId": "local-lvm"}}, "efiDisk"),
        ({"nonsense": 1}, "nonsense"),
        ({"cpu": {"affinity": "0-3"}}, "cpu.affinity"),
        ({"disks": [{"interface": "scsi0", "fileId": "local:iso/x.img"}]}, "disks[0].fileId"),
        ({"disks": [{"size": 4}]}, "disks[0].interface"),
        ({"disks": [{"interface": "scsi0"}, {"interface": "scsi0"}]}, "disks"),
        ({"memory": {"dedicated": "4096"}}, "memory.dedicated"),
        ({"migrate": True}, "migrate"),
        ({"agent": {"timeout": "5 minutes"}}, "agent.timeout"),
        ({"nodeName": None}, "nodeName"),
    ],
)
def test_bad_inputs(proxmox: Any, call: LoggedCall, changes: Props, path: str) -> None:
    inputs = {"nodeName": "pve1", **changes}
    assert [failure.property for failure in VM.check(inputs, None, call)[1]] == [path]
    assert proxmox.requests == []


def test_unknown_values_pass(call: LoggedCall) -> None:
    inputs = declare(call)
    preview = copy.deepcopy(inputs)
    preview["clone"]["vmId"] = UNKNOWN
    preview["initialization"]["userAccount"]["keys"] = [UNKNOWN]
    assert VM.check(preview, inputs, call) == (preview, [])
    outputs = VM.preview_create(preview, call)
    assert outputs["ipv4Addresses"] is UNKNOWN
    assert outputs["vmId"] == 2101
    assert VM.check({"nodeName": UNKNOWN, "disks": UNKNOWN, "agent": UNKNOWN}, inputs, call)[1] == []
