"""What a run that was cut short has left on Proxmox VE."""

from __future__ import annotations

from typing import Any

from proxmoxer import ProxmoxAPI

from ci import nouns
from components.proxmox import Vm, api_errors, find_named, find_vm, has_file, remove_vm, unlocked
from recovery.state import Adoption, Deployment, Pending, RecoveryError


def settle(api: ProxmoxAPI, creation: Pending) -> Adoption | None:
    """Settle one creation that was cut short. Returns what to adopt, or None to forget it.

    Raises:
        ApiError: the API refused or could not be reached.
        RecoveryError: a VM bears the derived id but not the name.
    """
    inputs = creation.inputs
    if creation.type == nouns.VM:
        _remove_half_made(api, inputs)
    elif creation.type == nouns.TEMPLATE:
        for vm in find_named(api, inputs["name"]):
            if not vm.template:
                print(f"removing VM {vm.vm_id} {vm.name}: its build was cut short", flush=True)
                remove_vm(api, vm.vm_id)
    elif creation.type == nouns.FILE:
        volume = "{datastoreId}:{contentType}/{fileName}".format_map(inputs)
        if has_file(api, inputs["nodeName"], volume):
            return Adoption(volume, {"id": volume})
    elif creation.type in {nouns.NFS, nouns.PBS, nouns.JOB}:
        with api_errors():
            known = [one["id"] for one in api.cluster.backup.get()] if creation.type == nouns.JOB else _storages(api)
        if inputs["resourceId"] in known:
            return Adoption(inputs["resourceId"])
    return None


def _storages(api: ProxmoxAPI) -> list[str]:
    return [one["storage"] for one in api.storage.get()]


def strays(api: ProxmoxAPI, deployment: Deployment) -> list[Vm]:
    """Clones that the state does not know: they bear the id and the name of a machine of the last preflight.

    Whatever runs or is protected is somebody's, whoever's: a clone is neither before its creation is done.
    """
    resources = deployment.get("resources", [])
    known = {int(one["inputs"]["vmId"]) for one in resources if one["type"] == nouns.VM}
    # It is checked before anything is made, so the state knows from it what was about to be.
    pools = [pool for one in resources if one["type"] == nouns.PREFLIGHT for pool in one["outputs"].get("pools", ())]
    wanted = {int(vm_id): name for pool in pools for name, vm_id in pool["machines"].items()}
    found = [find_vm(api, vm_id) for vm_id in sorted(wanted.keys() - known)]
    return [vm for vm in found if vm and vm.name == wanted[vm.vm_id] and not (vm.running or _protected(api, vm))]


def _protected(api: ProxmoxAPI, vm: Vm) -> bool:
    with api_errors():
        return str(api.nodes(vm.node).qemu(vm.vm_id).config.get().get("protection", 0)) == "1"


def _remove_half_made(api: ProxmoxAPI, inputs: dict[str, Any]) -> None:
    vm = unlocked(api, int(inputs["vmId"]))
    if vm is None:
        return
    # A clone that was cut short early has no name of its own yet.
    if vm.name not in (inputs["name"], f"VM {vm.vm_id}"):
        raise RecoveryError(f"VMID {vm.vm_id} is {vm.name!r}, not {inputs['name']!r}: not removed; look at it first")
    print(f"removing VM {vm.vm_id} {vm.name}: its creation was cut short", flush=True)
    with api_errors():
        api.nodes(vm.node).qemu(vm.vm_id).config.put(protection=0)
    remove_vm(api, vm.vm_id)
