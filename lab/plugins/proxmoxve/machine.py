"""One VM, as the API shows it: look at it, configure it, turn it on and off."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from lab.plugins.base import ResourceError
from lab.plugins.proxmoxve.api import Api, Patience
from lab.plugins.proxmoxve.config import Config, decode_disk


@dataclass
class Machine:
    """A VM on a node.

    Args:
        api: The cluster it belongs to.
        node: Where it is now.
        vm_id: Its VMID.
        cancelled: Set when the engine gives up; every wait ends then.
    """

    api: Api
    node: str
    vm_id: int
    cancelled: threading.Event

    @classmethod
    def find(cls, api: Api, vm_id: int, cancelled: threading.Event) -> Machine | None:
        """Wherever in the cluster it is: an administrator or the HA manager may have moved it."""
        for guest in api.get("/cluster/resources", type="vm"):
            if guest["vmid"] == vm_id and guest["type"] == "qemu":
                return cls(api, guest["node"], vm_id, cancelled)
        return None

    @property
    def path(self) -> str:
        return f"/nodes/{self.node}/qemu/{self.vm_id}"

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, self.cancelled)

    def config(self) -> Config:
        """The configuration with the changes that wait for the next start."""
        entries = self.api.get(f"{self.path}/pending")
        current = {
            entry["key"]: entry.get("pending", entry.get("value")) for entry in entries if not entry.get("delete")
        }
        return {key: value for key, value in current.items() if value is not None}

    def waits_for_restart(self) -> list[str]:
        """Keys whose new value applies at the next start only."""
        return [entry["key"] for entry in self.api.get(f"{self.path}/pending") if {"pending", "delete"} & entry.keys()]

    def status(self) -> str:
        """`running` or `stopped`."""
        status: str = self.api.get(f"{self.path}/status/current")["status"]
        return status

    def wait_unlocked(self, seconds: float) -> None:
        """A clone holds its new VM's lock a little longer than its task runs."""
        patience = self.patience(seconds)
        while lock := self.config().get("lock"):
            if not patience.wait():
                raise ResourceError(f"VM {self.vm_id} is still locked ({lock}) after {seconds:.0f} s")

    def set_config(self, changes: Config, deletes: list[str] | None = None) -> None:
        payload: dict[str, Any] = dict(changes)
        if deletes:
            payload["delete"] = ",".join(sorted(deletes))
        if payload:
            self.api.put(f"{self.path}/config", **payload)

    def add_disk(self, interface: str, text: str) -> None:
        """Allocate and attach a disk; `text` is `store:GiB,option=value`."""
        self.set_config({interface: text})
        if "size" not in decode_disk(interface, self.config()[interface]):
            raise ResourceError(f"VM {self.vm_id}: {interface} was accepted but no disk was allocated for it")

    def resize(self, interface: str, size: int, seconds: float) -> None:
        """Grow a disk to `size` GiB. Proxmox refuses to shrink one."""
        upid = self.api.put(f"{self.path}/resize", disk=interface, size=f"{size}G")
        if upid:
            self.api.run(upid, self.patience(seconds))
        actual = decode_disk(interface, self.config()[interface]).get("size")
        if actual != size:
            raise ResourceError(f"VM {self.vm_id}: {interface} was to be resized to {size} GiB, and has {actual} GiB")

    def start(self, seconds: float) -> None:
        self._power("start", seconds)

    def stop(self, seconds: float) -> None:
        self._power("stop", seconds)

    def shutdown(self, seconds: float) -> None:
        """Ask the guest, and turn the power off when it does not answer in time."""
        self._power("shutdown", seconds, timeout=int(seconds), forceStop=1)

    def reboot(self, seconds: float) -> None:
        self._power("reboot", seconds, timeout=int(seconds))

    def _power(self, action: str, seconds: float, **options: Any) -> None:
        upid = self.api.post(f"{self.path}/status/{action}", **options)
        self.api.run(upid, self.patience(seconds + 30))
