"""A site's Proxmox VE, as a person with the token sees it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import requests

from lab.proxmox.faults import FaultFile
from tests.lab.conftest import LabUnderTest
from tests.lab.waiting import wait_for


class ProxmoxSite:
    """The API of one site of a lab, its log, and its faults."""

    def __init__(self, lab: LabUnderTest, name: str) -> None:
        self._bundle = lab.lab.home / "ca-bundle.pem"
        self._site = lab.site(name)
        self._log = self._site.services / "proxmox.log"
        self.faults = FaultFile(self._site.home / "proxmox")

    def call(self, method: str, path: str, **values: Any) -> Any:
        token = json.loads(self._site.proxmox_config.read_text())["token"]
        response = requests.request(
            method,
            f"{self._site.endpoint}/api2/json{path}",
            data=values,
            headers={"Authorization": f"PVEAPIToken={token['id']}={token['secret']}"},
            verify=str(self._bundle),
            timeout=10,
        )
        response.raise_for_status()
        return response.json()["data"]

    def machines(self) -> dict[int, str]:
        """VMID -> name of the VMs that are no templates; none before the service answers."""
        try:
            found = self.call("GET", "/cluster/resources?type=vm")
        except (OSError, requests.RequestException):
            return {}
        return {vm["vmid"]: vm["name"] for vm in found if not vm.get("template") and "debian" not in vm.get("name", "")}

    def delete_by_hand(self, vm_id: int) -> None:
        """What a person does in the console."""
        found = {vm["vmid"]: vm["node"] for vm in self.call("GET", "/cluster/resources?type=vm")}
        vm = f"/nodes/{found[vm_id]}/qemu/{vm_id}"
        self.call("POST", f"{vm}/status/stop")
        wait_for(lambda: self.call("GET", f"{vm}/status/current")["status"] == "stopped")
        self.call("DELETE", vm)
        wait_for(lambda: vm_id not in self.machines())

    def wait_for_machine(self, vm_id: int, up: subprocess.Popen[str]) -> None:
        """Wait until a run has begun to make a machine."""

        def there() -> bool:
            assert up.poll() is None, up.communicate()[0]
            return vm_id in self.machines()

        wait_for(there)

    def position(self) -> int:
        """Where the log ends now."""
        return self._log.stat().st_size

    def writes(self, since: int) -> list[str]:
        """What the program has sent since then, but for questions: `POST /nodes/pve1/qemu/2000/clone`, say."""
        lines = self._log.read_bytes()[since:].decode().splitlines()
        return [line.split(" ", 2)[2].partition(" by ")[0] for line in lines if " by oss-nextgen@pve!pulumi: " in line]
