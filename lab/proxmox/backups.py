"""Backup storages and jobs, where fakepve takes what it is told.

Follows PVE/API2/Storage/Config.pm and PVE/API2/Backup.pm. A job is kept and shown; none ever runs.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from fakepve.model import PveError
from fakepve.routing import die, param_error, split_list
from fakepve.server import FakePve

from lab.proxmox import nfs

STORAGES = ("dir", "nfs")
SELECTIONS = ("vmid", "all", "pool", "node")


class Backups(FakePve):  # type: ignore[misc]  # fakepve has no types
    """A site that looks at a storage before it takes it, and knows its backup jobs."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.jobs: dict[str, dict[str, Any]] = {}
        """Id -> its settings, as the API takes them."""

    async def _sc_create(self, values: dict[str, Any], user: str) -> Any:
        if values["type"] not in STORAGES:
            raise PveError(501, f"storages of type {values['type']} are not modelled by the lab's Proxmox VE")
        if values["storage"] in self.storages or values["type"] != "nfs":
            return await super()._sc_create(values, user)
        missing = [key for key in ("server", "export") if not values.get(key)]
        if not missing:
            try:
                await asyncio.to_thread(nfs.check, values["storage"], values["server"], values["export"], self.host)
            except nfs.MountError as error:
                raise die(f"create storage failed: {error}") from None
        return await super()._sc_create(values, user)

    def _routes_backup(self) -> list[tuple[str, str, Any]]:
        one = "/cluster/backup/{id}"
        return [
            ("GET", "/cluster/backup", self._jobs),
            ("POST", "/cluster/backup", self._create_job),
            ("GET", one, self._read_job),
            ("PUT", one, self._update_job),
            ("DELETE", one, self._delete_job),
        ]

    async def _jobs(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return [self._shown(name) for name in sorted(self.jobs)]

    async def _create_job(self, values: dict[str, Any], _user: str) -> None:
        name = values.get("id") or f"backup-{uuid.uuid4()}"
        if name in self.jobs:
            raise die(f"Job '{name}' already exists")
        self.jobs[name] = self._checked({key: value for key, value in values.items() if key != "id"})

    async def _read_job(self, values: dict[str, Any], _user: str) -> dict[str, Any]:
        return self._shown(self._job(values))

    async def _update_job(self, values: dict[str, Any], _user: str) -> None:
        name = self._job(values)
        changed = {key: value for key, value in values.items() if key not in ("id", "delete")}
        kept = {key: value for key, value in self.jobs[name].items() if key not in split_list(values.get("delete"))}
        self.jobs[name] = self._checked({**kept, **changed})

    async def _delete_job(self, values: dict[str, Any], _user: str) -> None:
        del self.jobs[self._job(values)]

    def _job(self, values: dict[str, Any]) -> str:
        name = str(values["id"])
        if name not in self.jobs:
            raise param_error(id=f"No such job '{name}'")
        return name

    def _shown(self, name: str) -> dict[str, Any]:
        return {"enabled": 1, **self.jobs[name], "id": name, "type": "vzdump"}

    def _checked(self, job: dict[str, Any]) -> dict[str, Any]:
        if not any(job.get(key) for key in SELECTIONS):
            raise param_error(vmid="property is missing and it is not optional")
        storage = job.get("storage", "local")
        if storage not in self.storages:
            raise die(f"storage '{storage}' does not exist")
        if "backup" not in split_list(self.storages[storage].get("content")):
            raise param_error(storage=f"storage '{storage}' does not support backups")
        return job
