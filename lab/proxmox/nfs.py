"""Mounting an export of a guest's NFS server, as far as a node of Proxmox VE finds out that it could."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network

PORT = 2049
TIMEOUT = 2.0


class MountError(Exception):
    """It cannot be mounted, in the words of Proxmox VE or of mount.nfs."""


def check(storage: str, server: str, export: str, client: str) -> None:
    """Connect, and look whether the directory is exported to the client.

    Raises:
        MountError: it is not, or nobody answers.
    """
    try:
        with socket.create_connection((server, PORT), TIMEOUT) as connection, connection.makefile() as lines:
            exports = [line.rstrip("\n").split("\t") for line in lines]
    except OSError:
        raise MountError(f"storage '{storage}' is not online") from None
    allowed = [network for directory, network, _ in exports if directory == export]
    if not allowed:
        raise MountError(
            f"mount.nfs: mounting {server}:{export} failed, reason given by server: No such file or directory"
        )
    if not any(IPv4Address(client) in IPv4Network(network) for network in allowed):
        raise MountError(f"mount.nfs: access denied by server while mounting {server}:{export}")
