"""What the QEMU guest agent says about a VM's network, and waiting until it says enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from lab.plugins.base import Props
from lab.plugins.proxmoxve.api import ApiError
from lab.plugins.proxmoxve.machine import Machine

EMPTY: Mapping[str, list[Any]] = {
    "ipv4Addresses": [],
    "ipv6Addresses": [],
    "macAddresses": [],
    "networkInterfaceNames": [],
}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """A duration as Go writes it: `15m`, `1h30m`, `90s`.

    Raises:
        ValueError: it is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration such as 15m, 90s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def network(machine: Machine, agent: Props) -> tuple[Props, str | None]:
    """The addresses, one list per interface in the agent's order, and a warning if there are none.

    Like the official provider, it waits for an address that others can reach, of the family asked
    for or of any, and does not fail when none comes.

    Args:
        machine: A running VM with the agent enabled.
        agent: The `agent` property.
    """
    wanted = agent.get("waitForIp") or {}
    if wanted.get("disabled"):
        return dict(EMPTY), None
    patience = machine.patience(seconds(agent["timeout"]))
    while True:
        interfaces = _ask(machine)
        if _enough(interfaces, wanted):
            return _outputs(interfaces), None
        if not patience.wait():
            return dict(EMPTY), (
                f"timeout while waiting for the QEMU agent on VM {machine.vm_id} to publish the network interfaces"
            )


def _ask(machine: Machine) -> list[dict[str, Any]]:
    try:
        answer = machine.api.get(f"{machine.path}/agent/network-get-interfaces")
    except ApiError as error:
        if error.status == 403:
            raise
        return []  # not up yet: the API says so with a 500, in several wordings
    return answer.get("result") or []


def _enough(interfaces: list[dict[str, Any]], wanted: Props) -> bool:
    addresses = [
        ip_address(address["ip-address"].partition("%")[0])
        for interface in interfaces
        # The interface is what is left out, not the range: the lab's guests live on 127.0.0.0/8.
        if interface["name"] != "lo"
        for address in interface.get("ip-addresses") or []
    ]
    families = {ip.version for ip in addresses if not (ip.is_link_local or ip.is_multicast)}
    needed = {version for version, name in ((4, "ipv4"), (6, "ipv6")) if wanted.get(name)}
    return needed <= families if needed else bool(families)


def _outputs(interfaces: list[dict[str, Any]]) -> Props:
    def addresses(interface: dict[str, Any], family: str) -> list[str]:
        found = interface.get("ip-addresses") or []
        return [address["ip-address"] for address in found if address["ip-address-type"] == family]

    return {
        "ipv4Addresses": [addresses(interface, "ipv4") for interface in interfaces],
        "ipv6Addresses": [addresses(interface, "ipv6") for interface in interfaces],
        "macAddresses": [interface.get("hardware-address", "").upper() for interface in interfaces],
        "networkInterfaceNames": [interface["name"] for interface in interfaces],
    }
