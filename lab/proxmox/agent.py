"""The QEMU guest agent of a guest: the commands that it answers, and what it says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

COMMANDS = frozenset(
    {"ping", "info", "get-host-name", "get-osinfo", "network-get-interfaces", "get-time", "get-fsinfo"}
)
"""Anything else would have to be done inside the guest, and is refused."""

PREFIX_LENGTH = 24


def enabled(config: Mapping[str, object]) -> bool:
    """Whether the VM's configuration has the agent on (`agent: 1`, or `enabled=1,...`)."""
    return str(config.get("agent", "0")).split(",")[0].removeprefix("enabled=") == "1"


def answers(root: Path, hostname: str, mac: str, address: str) -> dict[str, Any]:
    """What fakepve's agent is to say, by command.

    Args:
        root: The guest's folder.
        hostname: Its host name.
        mac: MAC address of its network card.
        address: The IPv4 address of its lease; empty if it has none.
    """
    return {
        "os": _os(root),
        "interfaces": [_interface("lo", "00:00:00:00:00:00", ["127.0.0.1"], 8), _card(mac, address)],
        "get-host-name": {"host-name": hostname},
        "get-fsinfo": [_root_file_system(root)],
    }


def _card(mac: str, address: str) -> dict[str, Any]:
    """Like a Debian guest's first virtio card: its IPv4 address, and the link-local one that IPv6 always has."""
    return _interface("ens18", mac.lower(), [address] if address else [], PREFIX_LENGTH, [link_local(mac)])


def _interface(name: str, mac: str, ipv4: list[str], prefix: int, ipv6: list[str] | None = None) -> dict[str, Any]:
    addresses = [{"ip-address": ip, "ip-address-type": "ipv4", "prefix": prefix} for ip in ipv4]
    addresses += [{"ip-address": ip, "ip-address-type": "ipv6", "prefix": 64} for ip in ipv6 or []]
    return {"name": name, "hardware-address": mac, "ip-addresses": addresses}


def disturbed(interfaces: list[dict[str, Any]], fault: str) -> list[dict[str, Any]]:
    """What an agent reports of a card without a lease (`no-ipv4`), or beside container networks (`several`)."""
    if fault == "several":
        bridges = [_interface("docker0", "02:42:ac:11:00:02", ["172.17.0.1"], 16)]
        bridges += [_interface("cni0", "ee:ee:ee:ee:ee:ee", ["10.233.64.1"], 24)]
        return [*bridges, *interfaces]
    return [
        {**one, "ip-addresses": [ip for ip in one["ip-addresses"] if ip["ip-address-type"] != "ipv4"]}
        if one["name"] != "lo"
        else one
        for one in interfaces
    ]


def link_local(mac: str) -> str:
    """The IPv6 link-local address made from a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 2, octets[1], octets[2], 0xFF, 0xFE, *octets[3:]])
    return str(IPv6Address(bytes.fromhex("fe80000000000000") + interface))


def _root_file_system(root: Path) -> dict[str, Any]:
    """The lab machine's own that the guest's folder is on, as full as it was when the guest booted."""
    usage = shutil.disk_usage(root)
    sizes = {"total-bytes": usage.used + usage.free, "used-bytes": usage.used}
    return {"name": "sda1", "mountpoint": "/", "type": "ext4", "disk": [], **sizes}


def _os(root: Path) -> dict[str, str]:
    text = (root / "etc/os-release").read_text() if (root / "etc/os-release").exists() else ""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return {
        "id": release.get("ID", ""),
        "name": release.get("NAME", ""),
        "pretty-name": release.get("PRETTY_NAME", ""),
        "version": release.get("VERSION", ""),
        "version-id": release.get("VERSION_ID", ""),
        "machine": "x86_64",
    }
