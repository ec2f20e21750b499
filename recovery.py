"""Recover a stack after a run that was killed or failed: `python -m recovery STACK`.

A killed run leaves the stack locked, and operations that the state does not know the end of. One that failed may
leave a clone behind that never got as far as the state. What was being changed or removed is looked at again: it may
be gone, which the provider of the virtual machines takes for an error. The platform derives the id of all that it
makes on Proxmox, so each creation is looked up there:

- a virtual machine that bears the id and the name is removed: nothing was built on it yet;
- what a build of an image has left under its name is removed, unless it is a template already;
- an installer image is adopted: it is complete once Proxmox lists it;
- what lives in the state alone, or adopts itself when it is made again, is forgotten.

The next `pulumi up` then converges. Do not run it while another run of the stack works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from proxmoxer import ProxmoxAPI

from components.proxmox import ApiError, Vm, api_errors, client, find_named, find_vm, has_file, remove_vm, unlocked

VM = "proxmoxve:index/vmLegacy:VmLegacy"
TEMPLATE = "pulumi-python:dynamic/images:Template"
FILE = "proxmoxve:download/file:File"
PREFLIGHT = "pulumi-python:dynamic/preflight:Preflight"
"""It is checked before anything is made, so the state knows from it what was about to be."""


class RecoveryError(Exception):
    """Something that a person has to look at."""


@dataclass(frozen=True)
class Pending:
    """A creation that was cut short."""

    urn: str
    type: str
    inputs: dict[str, Any]


def cut_short(deployment: dict[str, Any]) -> list[str]:
    """URNs of what was there and was being changed or removed: only a look at the real thing tells what came of it."""
    operations = deployment.get("pending_operations", [])
    return [operation["resource"]["urn"] for operation in operations if operation["type"] != "creating"]


def pending_creations(deployment: dict[str, Any]) -> list[Pending]:
    """The creations that an exported deployment lists as pending."""
    return [
        Pending(resource["urn"], resource["type"], resource.get("inputs", {}))
        for operation in deployment.get("pending_operations", [])
        if operation["type"] == "creating"
        for resource in [operation["resource"]]
    ]


def strays(api: ProxmoxAPI, deployment: dict[str, Any]) -> list[Vm]:
    """Clones that the state does not know: they bear the id and the name of a machine of the last preflight.

    Whatever runs or is protected is somebody's, whoever's: a clone is neither before its creation is done.
    """
    resources = deployment.get("resources", [])
    known = {int(one["inputs"]["vmId"]) for one in resources if one["type"] == VM}
    pools = [pool for one in resources if one["type"] == PREFLIGHT for pool in one["outputs"].get("pools", ())]
    wanted = {int(vm_id): name for pool in pools for name, vm_id in pool["machines"].items()}
    found = [find_vm(api, vm_id) for vm_id in sorted(wanted.keys() - known)]
    return [vm for vm in found if vm and vm.name == wanted[vm.vm_id] and not (vm.running or _protected(api, vm))]


def _protected(api: ProxmoxAPI, vm: Vm) -> bool:
    with api_errors():
        return str(api.nodes(vm.node).qemu(vm.vm_id).config.get().get("protection", 0)) == "1"


def half_made(deployment: dict[str, Any]) -> list[str]:
    """URNs of what exists and was not finished: only a look at the real thing tells what it still needs."""
    return [resource["urn"] for resource in deployment.get("resources", []) if resource.get("initErrors")]


def settle(api: ProxmoxAPI, pending: Pending) -> str | None:
    """Settle one pending creation on Proxmox. Returns the id to adopt, or None to forget it."""
    if pending.type == VM:
        _remove_half_made(api, pending.inputs)
    elif pending.type == TEMPLATE:
        for vm in find_named(api, pending.inputs["name"]):
            if not vm.template:
                print(f"removing VM {vm.vm_id} {vm.name}: its build was cut short", flush=True)
                remove_vm(api, vm.vm_id)
    elif pending.type == FILE:
        volume = "{datastoreId}:{contentType}/{fileName}".format_map(pending.inputs)
        if has_file(api, pending.inputs["nodeName"], volume):
            return f"{pending.inputs['nodeName']}/{volume}"
    return None


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


def recover(stack: str) -> None:
    """Unlock the stack and settle what its last run left pending or behind.

    Raises:
        RecoveryError: a VM bears a derived id but not its name, or the engine refused.
    """
    _pulumi("cancel", "--yes", "--stack", stack)
    deployment = json.loads(_pulumi("stack", "export", "--stack", stack))["deployment"]
    pending = pending_creations(deployment)
    unfinished = {*cut_short(deployment), *half_made(deployment)}
    api = _api(stack)
    adopted = {one.urn: id_ for one in pending if (id_ := settle(api, one)) is not None}
    for urn in sorted(unfinished):
        print(f"looked at again: {urn.rpartition('::')[2]}", flush=True)
    for one in pending:
        print(f"{'adopted' if one.urn in adopted else 'forgotten'}: {one.urn.rpartition('::')[2]} ({one.type})")
    removed = strays(api, deployment)
    for vm in removed:
        print(f"removing VM {vm.vm_id} {vm.name}: it was cloned, and its creation failed", flush=True)
        remove_vm(api, vm.vm_id)
    if pending or unfinished:
        arguments = [f"--import-pending-creates={part}" for pair in adopted.items() for part in pair]
        _pulumi("refresh", "--yes", "--skip-preview", "--stack", stack, *arguments, "--clear-pending-creates")
    elif not removed:
        print(f"stack {stack} is unlocked; nothing was cut short", flush=True)


def _api(stack: str) -> ProxmoxAPI:
    proxmox = json.loads(_pulumi("config", "get", "oss-nextgen:proxmox", "--stack", stack))
    token = _pulumi("config", "get", "oss-nextgen:proxmoxApiToken", "--stack", stack).strip()
    return client(proxmox["endpoint"], token, proxmox.get("insecure", False))


def _pulumi(*arguments: str) -> str:
    result = subprocess.run(["pulumi", *arguments, "--non-interactive"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RecoveryError(f"pulumi {arguments[0]}: {(result.stderr or result.stdout).strip()}")
    return result.stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m recovery", description="Recover a stack after a killed run.")
    parser.add_argument("stack")
    try:
        recover(parser.parse_args().stack)
    except (RecoveryError, ApiError) as error:
        print(f"recovery: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
