"""The service's memory: VMs, storages and backup jobs, saved whole after each change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.files import write_private

VERSION = 1
VM_FIELDS = ("vmid", "name", "node", "status", "config", "pending", "template", "lock")


class StateError(Exception):
    """The file is not one that this version of the lab has written."""


def save(path: Path, vms: Iterable[Any], storages: Mapping[str, Any], jobs: Mapping[str, Any]) -> None:
    """Write the state at once: a service that is killed leaves the old file or the new one."""
    state = {
        "version": VERSION,
        "vms": [{field: getattr(vm, field) for field in VM_FIELDS} for vm in vms],
        "storages": {name: {**store, "files": sorted(store["files"])} for name, store in storages.items()},
        "jobs": dict(jobs),
    }
    write_private(path, json.dumps(state))


def load(path: Path) -> dict[str, Any]:
    """Read it back: `vms` (keyword arguments of a VM), `storages`, `jobs`; empty where there is no file.

    Raises:
        StateError: it cannot be read.
    """
    if not path.exists():
        return {"vms": [], "storages": {}, "jobs": {}}
    try:
        state: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        state = {}
    if state.get("version") != VERSION:
        raise StateError(f"{path}: not a state of this version of the lab. Destroy the site, or remove {path.parent}.")
    state.setdefault("jobs", {})
    for store in state["storages"].values():
        store["files"] = set(store["files"])
    return state
