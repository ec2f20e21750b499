"""Making a VM: a clone of a template, or a new one."""

from __future__ import annotations

import threading

from lab.plugins.base import Props, ResourceError
from lab.plugins.proxmoxve import config
from lab.plugins.proxmoxve.api import Api, TaskError
from lab.plugins.proxmoxve.machine import Machine

RETRY_PAUSE = 10.0
"""Seconds before a clone is tried again."""


def create(api: Api, vm_id: int, vm: Props, cancelled: threading.Event) -> Machine:
    """A new VM with its disks, turned off."""
    machine = Machine(api, vm["nodeName"], vm_id, cancelled)
    payload = config.encode({**vm, "protection": False})  # a protected VM takes no further disks
    for disk in vm.get("disks", ()):
        payload[disk["interface"]] = config.encode_disk(disk, f"{disk['datastoreId']}:{disk['size']}")
    if vm.get("poolId"):
        payload["pool"] = vm["poolId"]
    upid = api.post(f"/nodes/{machine.node}/qemu", vmid=vm_id, **payload)
    api.run(upid, machine.patience(vm["timeoutCreate"]))
    return machine


def clone(api: Api, vm_id: int, vm: Props, cancelled: threading.Event) -> Machine:
    """A clone of a template, turned off, on the node where it belongs; it may still be locked.

    Proxmox clones to another node only on shared storage; otherwise the clone is made beside its
    template and then migrated, as the official provider does. Like there, a clone whose migration
    fails stays, and the state does not know it.
    """
    origin, node = vm["clone"].get("nodeName") or vm["nodeName"], vm["nodeName"]
    template = Machine(api, origin, vm["clone"]["vmId"], cancelled)
    payload = {"newid": vm_id, "full": int(vm["clone"]["full"])}
    optional = {
        "name": vm.get("name"),
        "description": vm.get("description"),
        "pool": vm.get("poolId"),
        "storage": vm["clone"].get("datastoreId"),
    }
    payload |= {key: value for key, value in optional.items() if value}
    direct = origin == node or _all_shared(template)
    if origin != node and direct:
        payload["target"] = node
    _clone(template, payload, vm)
    if direct:
        return Machine(api, node, vm_id, cancelled)
    machine = Machine(api, origin, vm_id, cancelled)
    machine.wait_unlocked(vm["timeoutClone"])
    return _migrate(machine, node, vm)


def _clone(template: Machine, payload: Props, vm: Props) -> None:
    for attempt in range(1, max(1, vm["clone"]["retries"]) + 1):
        try:
            upid = template.api.post(f"{template.path}/clone", **payload)
            return template.api.run(upid, template.patience(vm["timeoutClone"]))
        except ResourceError as error:
            if "got timeout" not in str(error) or attempt >= vm["clone"]["retries"]:
                raise
            template.cancelled.wait(RETRY_PAUSE)
    return None


def _all_shared(template: Machine) -> bool:
    current = template.config()
    stores = {config.decode_disk(key, current[key])["datastoreId"] for key in config.disk_keys(current)}
    statuses = [template.api.get(f"/nodes/{template.node}/storage/{store}/status") for store in sorted(stores)]
    return all(str(status.get("shared", 0)) == "1" for status in statuses)


def _migrate(machine: Machine, node: str, vm: Props) -> Machine:
    payload = {"target": node, "with-local-disks": 1}
    if vm["clone"].get("datastoreId"):
        payload["targetstorage"] = vm["clone"]["datastoreId"]
    upid = machine.api.post(f"{machine.path}/migrate", **payload)
    machine.api.run(upid, machine.patience(vm["timeoutClone"]))
    moved = Machine.find(machine.api, machine.vm_id, machine.cancelled)
    if moved is None or moved.node != node:
        raise TaskError(
            f"VM {machine.vm_id} was to be migrated to {node}, and is on {moved.node if moved else 'no node'}"
        )
    return moved
