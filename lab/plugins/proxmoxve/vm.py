"""`proxmoxve:index/vmLegacy:VmLegacy`: a VM, cloned or made from nothing."""

from __future__ import annotations

import secrets
from typing import ClassVar

from lab.plugins.base import (
    UNKNOWN,
    Call,
    Change,
    Diff,
    Failure,
    PartialCreate,
    Props,
    Resource,
    ResourceError,
    compare,
)
from lab.plugins.proxmoxve import agent, cloning, config
from lab.plugins.proxmoxve.converge import converge
from lab.plugins.proxmoxve.machine import Machine
from lab.plugins.proxmoxve.settings import Settings
from lab.plugins.proxmoxve.spec import normalise
from lab.plugins.proxmoxve.vm_spec import VM

OPTIONAL_COMPUTED = ("vmId", "name", "hotplug", "bootOrders", "vga", "networkDevices")
"""Inputs that Proxmox fills in; leaving them out later is no change."""


class VmLegacy(Resource):
    """The id is the VMID; an import takes `node/vmid`."""

    token: ClassVar[str] = "proxmoxve:index/vmLegacy:VmLegacy"
    required = frozenset({"nodeName"})
    computed = frozenset({"ipv4Addresses", "ipv6Addresses", "macAddresses", "networkInterfaceNames"})
    replace_on = frozenset({"nodeName", "vmId", "clone"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        """Defaults, nested ones too; refuses what is not modelled, and changes that are not."""
        values, failures = normalise(inputs, VM)
        if not failures:
            failures = [*_bad_values(values), *(_bad_changes(olds, values) if olds else [])]
        return values, failures

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        new = _inherit(inputs_old, outputs_old, inputs_new)
        changes: dict[str, Change] = compare(inputs_old, new, self.replace_on)
        # Two VMs of one name (and one VMID) cannot be there at the same time.
        return Diff(changes, delete_before_replace=new.get("name") == inputs_old.get("name"))

    def preview_create(self, inputs: Props, call: Call) -> Props:
        return {**dict.fromkeys((*OPTIONAL_COMPUTED, *self.computed), UNKNOWN), **inputs}

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        settings: Settings = call.config
        vm_id = inputs.get("vmId") or _free_vm_id(settings)
        if inputs.get("clone"):
            machine = cloning.clone(settings.api, vm_id, inputs, call.cancelled)
        else:
            machine = cloning.create(settings.api, vm_id, inputs, call.cancelled)
        try:
            machine.wait_unlocked(inputs["timeoutClone"])
            converge(machine, {}, inputs, call)
            return str(vm_id), _outputs(machine, inputs, call)
        except ResourceError as error:
            # It is there: the state must know it, or the next `up` fails on an existing VMID.
            raise PartialCreate(str(error), str(vm_id), {**inputs, "vmId": vm_id}) from None

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        node, separator, number = id.rpartition("/")
        if not number.isdecimal() or (not inputs and not separator):
            raise ResourceError(f"unexpected format of ID ({id}), expected node/id")
        machine = Machine.find(call.config.api, int(number), call.cancelled)
        if machine is None or (separator and machine.node != node):
            return None
        actual = _observe(machine, inputs)
        if inputs:
            declared = {name: value for name, value in inputs.items() if name in actual}
            found = {**inputs, **config.project(declared, actual)}
        else:
            modelled = {
                name: value for name, value in actual.items() if name in VM.fields and value not in ("", [], {})
            }
            found, _ = normalise(modelled, VM)
        return number, found, _outputs(machine, found, call)

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        machine = _existing(id, call)
        new = _inherit(inputs_old, outputs_old, inputs_new)
        converge(machine, inputs_old, new, call)
        return _outputs(machine, new, call)

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        # Where the state has it, and it has to be there: the official provider asks for its status first, too.
        machine = Machine(call.config.api, outputs["nodeName"], int(id), call.cancelled)
        try:
            status = machine.status()
        except ResourceError as error:
            raise ResourceError(f"error retrieving VM status: {error}") from None
        if status != "stopped":
            if outputs.get("stopOnDestroy"):
                machine.stop(outputs.get("timeoutStopVm", 300))
            else:
                machine.shutdown(outputs.get("timeoutShutdownVm", 1800))
        upid = machine.api.delete(
            machine.path,
            purge=int(outputs.get("purgeOnDestroy", True)),
            **{"destroy-unreferenced-disks": int(outputs.get("deleteUnreferencedDisksOnDestroy", True))},
        )
        machine.api.run(upid, machine.patience(outputs.get("timeoutStopVm", 300)))


def _bad_values(vm: Props) -> list[Failure]:
    failures = []
    block = vm.get("agent")
    if block and block is not UNKNOWN and block["timeout"] is not UNKNOWN:
        try:
            agent.seconds(block["timeout"])
        except ValueError as error:
            failures.append(Failure("agent.timeout", str(error)))
    interfaces = [disk["interface"] for disk in _disks(vm) if disk["interface"] is not UNKNOWN]
    twice = sorted({name for name in interfaces if interfaces.count(name) > 1})
    return failures + [Failure("disks", f"{name} is there twice") for name in twice]


def _bad_changes(old: Props, new: Props) -> list[Failure]:
    """Changes in place that the official provider makes, and the lab does not."""
    failures = []
    disks = {disk["interface"]: disk for disk in _disks(new)}
    for disk in _disks(old) if UNKNOWN not in (new.get("disks"), *disks) else []:
        name = disk["interface"]
        if name not in disks:
            failures.append(Failure("disks", f"removing {name} is not modelled by the lab's proxmoxve plugin"))
        elif disks[name]["datastoreId"] not in (UNKNOWN, disk.get("datastoreId")):
            failures.append(Failure("disks", f"moving {name} is not modelled by the lab's proxmoxve plugin"))
    if old.get("poolId") != new.get("poolId"):
        failures.append(Failure("poolId", "changing it is not modelled by the lab's proxmoxve plugin"))
    if old.get("template") and not new["template"]:
        failures.append(Failure("template", "converting a template back to a virtual machine is not supported"))
    return failures


def _disks(vm: Props) -> list[Props]:
    disks = vm.get("disks")
    return [disk for disk in disks if disk is not UNKNOWN] if isinstance(disks, list) else []


def _inherit(inputs_old: Props, outputs_old: Props, inputs_new: Props) -> Props:
    """The new inputs, with what is left out and computed taken over."""
    kept = {name: inputs_old[name] for name in OPTIONAL_COMPUTED if name in inputs_old}
    new = {**kept, **inputs_new}
    if "vmId" not in inputs_old and new.get("vmId") == outputs_old.get("vmId"):
        new.pop("vmId", None)
    return new


def _free_vm_id(settings: Settings) -> int:
    taken = {guest["vmid"] for guest in settings.api.get("/cluster/resources", type="vm")}
    free = [number for number in settings.vm_ids if number not in taken]
    if not free:
        raise ResourceError(f"no free VMID from {settings.vm_ids.start} to {settings.vm_ids.stop - 1}")
    return secrets.choice(free) if settings.random_vm_ids else free[0]


def _existing(id: str, call: Call) -> Machine:
    machine = Machine.find(call.config.api, int(id), call.cancelled)
    if machine is None:
        raise ResourceError(f"VM {id} is gone from the cluster: run `pulumi refresh`")
    return machine


def _observe(machine: Machine, declared: Props) -> Props:
    """The VM as it is. What Proxmox does not keep or show is as declared."""
    actual = config.decode(machine.config())
    actual |= {"nodeName": machine.node, "vmId": machine.vm_id}
    # A template never runs, whatever `started` says.
    actual["started"] = declared.get("started", True) if actual["template"] else machine.status() == "running"
    for name in ("timeout", "waitForIp"):
        if name in declared.get("agent", {}):
            actual["agent"][name] = declared["agent"][name]
    if password := declared.get("initialization", {}).get("userAccount", {}).get("password"):
        actual.get("initialization", {}).get("userAccount", {})["password"] = password
    return actual


def _outputs(machine: Machine, inputs: Props, call: Call) -> Props:
    actual = _observe(machine, inputs)
    running = machine.status() == "running"
    addresses: Props = dict(agent.EMPTY)
    if actual["agent"]["enabled"] and running and "agent" in inputs:
        addresses, warning = agent.network(machine, inputs["agent"])
        if warning:
            call.log(f"warning: {warning}")
    else:
        addresses["macAddresses"] = [device.get("macAddress", "") for device in actual["networkDevices"]]
    filled_in = {name: actual[name] for name in OPTIONAL_COMPUTED}
    return {**inputs, **filled_in, **addresses}
