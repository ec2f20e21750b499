"""The backup server: its store answers, and its copies of the sites' zones are those of their own servers."""

from __future__ import annotations

import socket
import time
from functools import partial

from pydantic import BaseModel

from verify import names
from verify.checks import Check, CheckFailed
from verify.names import Server
from verify.stack import Stack

NFS_PORT = 2049
TIMEOUT = 3.0
"""Seconds for a connection."""
TRANSFER = 10.0
"""Seconds in which a change of a zone arrives."""


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
