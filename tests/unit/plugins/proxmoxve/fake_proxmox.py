"""fakepve with the calls that it only pretends to do, and a call that can be looked at."""

import re
from dataclasses import dataclass, field
from typing import Any

from fakepve.model import PveError

from lab.plugins.base import Call
from tests.unit.proxmox_server import ProxmoxServer


@dataclass
class LoggedCall(Call):
    """A call that keeps what it was told."""

    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.messages.append


class Proxmox(ProxmoxServer):
    """`resize` and `migrate` change something here; a started VM has an agent with an address."""

    def _routes_actions(self) -> list[tuple[str, str, Any]]:
        vm = "/nodes/{node}/qemu/{vmid}"
        return [("PUT", f"{vm}/resize", self._resize), ("POST", f"{vm}/migrate", self._migrate)]

    async def _resize(self, values: dict[str, Any], user: str) -> Any:
        vm = self.find(values["node"], values["vmid"])
        drive, size = vm.config[values["disk"]], int(values["size"].removesuffix("G"))
        if size < int(drive.partition("size=")[2].removesuffix("G")):
            raise PveError(500, "shrinking disks is not supported")

        async def body() -> None:
            vm.config[values["disk"]] = re.sub(r"size=\d+G", f"size={size}G", drive)

        return await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm)

    async def _migrate(self, values: dict[str, Any], user: str) -> Any:
        return await self.migrate(values["vmid"], values["target"], user=user)

    async def _do_start(self, vm: Any, user: str, parameters: Any) -> Any:
        if vm.agent is None and "enabled=1" in vm.config.get("agent", ""):
            vm.agent = {"interfaces": interfaces(vm)}
        return await super()._do_start(vm, user, parameters)


def interfaces(vm: Any) -> list[dict[str, Any]]:
    mac = vm.config["net0"].split(",")[0].split("=")[1].lower()
    return [
        {
            "name": "lo",
            "hardware-address": "00:00:00:00:00:00",
            "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}],
        },
        {
            "name": "ens18",
            "hardware-address": mac,
            "ip-addresses": [
                {"ip-address": f"192.0.2.{vm.vmid % 200}", "ip-address-type": "ipv4", "prefix": 24},
                {"ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 64},
            ],
        },
    ]
