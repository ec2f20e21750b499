"""Stand-in for the official proxmoxve plugin: the resources that the platform uses, on the real HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lab.plugins.base import Failure, Plugin, Props, Resource
from lab.plugins.proxmoxve import settings
from lab.plugins.proxmoxve.backup import Job
from lab.plugins.proxmoxve.file import File, FileLegacy
from lab.plugins.proxmoxve.storage import Nfs
from lab.plugins.proxmoxve.vm import VmLegacy


class ProxmoxVe(Plugin):
    """Resources are in `vm`, `file`, `storage` and `backup`; `api` talks to Proxmox VE."""

    name: ClassVar[str] = "proxmoxve"
    version: ClassVar[str] = "8.3.0"
    resources: ClassVar[Mapping[str, Resource]] = {
        resource.token: resource for resource in (VmLegacy(), File(), FileLegacy(), Nfs(), Job())
    }
    json_config = frozenset({"insecure", "randomVmIds", "randomVmIdStart", "randomVmIdEnd"})

    def check_config(self, inputs: Props, olds: Props | None) -> tuple[Props, list[Failure]]:
        return inputs, settings.check(inputs)

    def configure(self, args: Props) -> settings.Settings:
        return settings.load(args)


PLUGIN = ProxmoxVe()
