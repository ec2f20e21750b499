"""Bringing a VM to what the program wants, from whatever it is."""

from __future__ import annotations

from lab.plugins.base import Call, Props
from lab.plugins.proxmoxve import config
from lab.plugins.proxmoxve.machine import Machine

PASSWORD = "cipassword"


def converge(machine: Machine, old: Props, new: Props, call: Call) -> None:
    """Send what differs.

    The comparison is with the VM itself and not with the old inputs, so that an update completes
    what an interrupted create has left.

    Args:
        machine: The VM.
        old: Inputs of the state, empty for a new VM: what was declared once and no longer is, goes.
        new: Inputs of the program.
        call: For messages.
    """
    current = machine.config()
    changes, deletes = _differences(current, old, new)
    _renew_cloud_init_drive(machine, current, new)
    machine.set_config(changes, deletes)
    _converge_disks(machine, current, new)
    if new["template"]:
        _make_template(machine, current, new)
    else:
        _converge_power(machine, new, call)


def _differences(current: config.Config, old: Props, new: Props) -> tuple[config.Config, list[str]]:
    actual = config.decode(current)
    declared = {name: value for name, value in new.items() if name in actual}
    found = config.encode(config.project(declared, actual))
    wanted, before = config.encode(new), config.encode(old)
    changes = {key: value for key, value in wanted.items() if str(found.get(key)) != str(value)}
    if before.get(PASSWORD) == wanted.get(PASSWORD):
        changes.pop(PASSWORD, None)  # the API shows only stars, so that it always seems to differ
    return changes, [key for key in before.keys() - wanted.keys() if key in current]


def _renew_cloud_init_drive(machine: Machine, current: config.Config, new: Props) -> None:
    """Make the drive that carries the cloud-init settings, unless this VM has it already."""
    if not (initialization := new.get("initialization")):
        return
    existing = config.cloud_init_drive(current)
    store, interface = initialization["datastoreId"], initialization.get("interface")
    if existing:
        volume = str(current[existing]).partition(",")[0]
        if volume in {f"{store}:vm-{machine.vm_id}-cloudinit", f"{store}:cloudinit"} and interface in {None, existing}:
            return
        machine.set_config({}, [existing])
    machine.set_config({interface or existing or config.CLOUD_INIT_INTERFACE: f"{store}:cloudinit,media=cdrom"})


def _converge_disks(machine: Machine, current: config.Config, new: Props) -> None:
    for disk in new.get("disks", ()):
        interface = disk["interface"]
        if interface not in current:
            machine.add_disk(interface, config.encode_disk(disk, f"{disk['datastoreId']}:{disk['size']}"))
            continue
        found = config.decode_disk(interface, current[interface])
        if found.get("size") != disk["size"]:
            machine.resize(interface, disk["size"], new["timeoutCreate"])
        if config.encode_disk(found, "") != config.encode_disk(disk, ""):
            volume = str(current[interface]).partition(",")[0]
            machine.set_config({interface: config.encode_disk(disk, volume) + f",size={disk['size']}G"})


def _make_template(machine: Machine, current: config.Config, new: Props) -> None:
    if current.get("template"):
        return
    if machine.status() == "running":
        machine.shutdown(new["timeoutShutdownVm"])
    machine.api.run(machine.api.post(f"{machine.path}/template"), machine.patience(new["timeoutCreate"]))


def _converge_power(machine: Machine, new: Props, call: Call) -> None:
    running = machine.status() == "running"
    if new["started"] and not running:
        machine.start(new["timeoutStartVm"])
        if new["reboot"]:
            machine.reboot(new["timeoutReboot"])
    elif running and not new["started"]:
        machine.shutdown(new["timeoutShutdownVm"])
    elif running and (keys := machine.waits_for_restart()):
        if new["rebootAfterUpdate"]:
            machine.reboot(new["timeoutReboot"])
        else:
            call.log(f"VM {machine.vm_id} needs a reboot to apply: {', '.join(sorted(keys))}")
