"""The backup server: its store answers and has room, and its copies of zones are those of the zones' own servers."""

from __future__ import annotations

import socket
import time
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel

from components.proxmox import ApiError, api_errors, client, find_vm
from verify import names
from verify.checks import Check, CheckFailed
from verify.names import Server
from verify.stack import Stack

GIB = 1024**3
NFS_PORT = 2049
TIMEOUT = 3.0
"""Seconds for a connection."""
LEAST_FREE = 0.1
"""Share of the store. Archives and snapshots are removed after newer ones are there."""
TRANSFER = 10.0
"""Seconds in which a change of a zone arrives."""


class Machine(BaseModel):
    """What is read of each of the output `nodes`."""

    role: str
    vmId: int  # noqa: N815 - the contract calls it so


class Backup(BaseModel):
    """What is read of the output `backup`."""

    server: str
    dnsServer: Server  # noqa: N815 - the contract calls it so


def store(stack: Stack) -> str:
    """Something answers on the port of NFS 4, the only one that is served.

    Raises:
        CheckFailed: nothing does.
    """
    address = stack.output("backup", Backup).server
    try:
        socket.create_connection((address, NFS_PORT), TIMEOUT).close()
    except OSError as error:
        reason = error.strerror or error
        raise CheckFailed(f"{address}:{NFS_PORT} does not answer: {reason}; see nfs-server on that machine") from None
    return f"{address}:{NFS_PORT} answers"


def room(stack: Stack) -> str:
    """A share of the file system that the store is on is free, as the machine's guest agent says.

    Raises:
        CheckFailed: too little is, or nobody can tell.
    """
    [machine] = [each for each in stack.output("nodes", list[Machine]) if each.role == "storage"]
    server, proxmox = stack.settings.backup_server, stack.settings.proxmox
    folder = PurePosixPath(server.folder if server else "/")
    try:
        api = client(proxmox.endpoint, stack.api_token, proxmox.insecure)
        vm = find_vm(api, machine.vmId)
        if vm is None:
            raise CheckFailed(f"there is no VM {machine.vmId}: pulumi refresh, then pulumi up -s {stack.settings.site}")
        with api_errors():
            systems: list[dict[str, Any]] = api.nodes(vm.node).qemu(vm.vm_id).agent("get-fsinfo").get()["result"]
    except ApiError as error:
        raise CheckFailed(str(error)) from None
    # Of those that are mounted above the folder, or on it, the nearest.
    above = {each["mountpoint"]: each for each in systems if folder.is_relative_to(each["mountpoint"])}
    nearest = above[max(above, key=len)]
    total, free = nearest["total-bytes"], nearest["total-bytes"] - nearest["used-bytes"]
    found = f"{free / GIB:.0f} of {total / GIB:.0f} GiB are free on {nearest['mountpoint']} of {vm.name}"
    if free < LEAST_FREE * total:
        raise CheckFailed(f"{found}: raise diskGib of its pool, or keep less (backup.retention, storage.backups)")
    return found


def copies(stack: Stack) -> list[Check]:
    """A check for each zone that the settings tell the server of.

    Raises:
        CheckFailed: the outputs name no server.
    """
    secondary = stack.output("backup", Backup).dnsServer
    server = stack.settings.backup_server
    sites = server.sites.values() if server else ()
    return [
        Check("copy", zone, partial(zone_is_copied, zone, secondary, primary))
        for site in sites
        for primary in [Server(address=str(site.dns_address), port=site.dns_port)]
        for zone in site.zones
    ]


def zone_is_copied(zone: str, secondary: Server, primary: Server) -> str:
    """A copy is served, and has the serial of the zone's own server. A change has `TRANSFER` to arrive.

    Raises:
        CheckFailed: there is no copy, or it stays an old one.
    """
    try:
        newest = names.serial(zone, primary)
    except CheckFailed as failure:
        # This is what a copy is for.
        return f"serial {_copied(zone, secondary, failure)}, with nothing to compare it with: {failure}"
    deadline = time.monotonic() + TRANSFER
    while (found := _copied(zone, secondary)) != newest:
        if time.monotonic() > deadline:
            raise CheckFailed(
                f"{secondary} has serial {found}, and {primary} has {newest}: it is not told of changes, or may not "
                "fetch them; both need the same dnsTransferKey, and the way between them has to be open for TCP and UDP"
            )
        time.sleep(0.5)
        newest = names.serial(zone, primary)
    return f"serial {found}, as at {primary}"


def _copied(zone: str, secondary: Server, of_primary: CheckFailed | None = None) -> int:
    try:
        return names.serial(zone, secondary)
    except CheckFailed as failure:
        cause = f"; nor is there anything to copy: {of_primary}" if of_primary else ""
        raise CheckFailed(f"{failure}{cause}") from None
