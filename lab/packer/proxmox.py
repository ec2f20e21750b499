"""The few Proxmox calls that the lab's packer makes itself, with the product's own API token."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import requests

from lab.packer.translate import Finish

TIMEOUT = 30.0
"""Seconds for one request, and for one task."""
IDE_SLOTS = ("ide0", "ide1", "ide2", "ide3")


class ProxmoxError(Exception):
    """The API refused."""


class Vm:
    """One VM, or template, of a Proxmox server.

    Args:
        url: Base of the API, such as `https://pve1:8006/api2/json`.
        token: `user@realm!name=secret`.
        insecure: Accept any certificate.
        node: Proxmox node of the VM.
        vm_id: Its VMID.
    """

    def __init__(self, url: str, token: str, insecure: bool, node: str, vm_id: int) -> None:
        self._url = url.rstrip("/")
        self._vm_id = vm_id
        self._base = f"{self._url}/nodes/{node}"
        self._vm = f"{self._base}/qemu/{vm_id}"
        self._session = requests.Session()
        # As Packer's own client: no proxy. The environment's trust store has to be named then.
        self._session.trust_env = False
        self._session.verify = False if insecure else os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._session.headers["Authorization"] = f"PVEAPIToken={token}"

    def exists(self) -> bool:
        """Whether the VMID is taken, on any node."""
        vms = self._call("GET", f"{self._url}/cluster/resources?type=vm")
        return any(vm["vmid"] == self._vm_id for vm in vms)

    def address(self) -> str | None:
        """The IPv4 address that the guest agent reports for the VM's first network card; None until it does."""
        try:
            mac = re.search(r"=([0-9A-F:]{17})", str(self._config().get("net0", "")).upper())
            result = self._call("GET", f"{self._vm}/agent/network-get-interfaces")
        except (ProxmoxError, requests.ConnectionError):
            return None
        for interface in result["result"]:
            if mac and str(interface.get("hardware-address", "")).upper() == mac[1]:
                for address in interface.get("ip-addresses", ()):
                    if address["ip-address-type"] == "ipv4":
                        return str(address["ip-address"])
        return None

    def finish(self, finish: Finish) -> None:
        """Give a new template what Packer 1.6.6 could not.

        Raises:
            ProxmoxError: the API refused.
        """
        config = self._template_config()
        changes: dict[str, str] = {}
        if finish.tags:
            changes["tags"] = finish.tags
        for device, options in finish.disk_options.items():
            changes[device] = ",".join([str(config[device]), *options])
        if finish.cloud_init_storage is not None:
            slot = next((slot for slot in IDE_SLOTS if slot not in config), None)
            if slot is None:
                raise ProxmoxError("no free IDE slot for the cloud-init drive")
            changes[slot] = f"{finish.cloud_init_storage}:cloudinit"
        if finish.remove:
            changes["delete"] = ",".join(finish.remove)
        if changes:
            self._task(self._call("POST", f"{self._vm}/config", changes))

    def delete(self) -> None:
        """Remove the VM or template."""
        self._task(self._call("DELETE", self._vm))

    def _config(self) -> dict[str, Any]:
        return dict(self._call("GET", f"{self._vm}/config"))

    def _template_config(self) -> dict[str, Any]:
        """The configuration once the VM is a template: Packer 1.6.6 does not wait for that, which renames the disk."""
        deadline = time.monotonic() + TIMEOUT
        while not (config := self._config()).get("template"):
            if time.monotonic() > deadline:
                raise ProxmoxError(f"VM {self._vm_id} did not become a template within {TIMEOUT:.0f} s")
            time.sleep(0.1)
        return config

    def _task(self, upid: str | None) -> None:
        """Wait for a task; a change without one is done already."""
        deadline = time.monotonic() + TIMEOUT
        while upid:
            status = self._call("GET", f"{self._base}/tasks/{upid}/status")
            if status["status"] == "stopped":
                if status["exitstatus"] != "OK":
                    raise ProxmoxError(str(status["exitstatus"]))
                return
            if time.monotonic() > deadline:
                raise ProxmoxError(f"the task {upid} did not end within {TIMEOUT:.0f} s")
            time.sleep(0.1)

    def _call(self, method: str, url: str, data: Mapping[str, str] | None = None) -> Any:
        response = self._session.request(method, url, data=data, timeout=TIMEOUT)
        if not response.ok:
            raise ProxmoxError(
                f"{method} {unquote(url)}: {response.status_code} {response.reason} {response.text}".strip()
            )
        return response.json()["data"]
