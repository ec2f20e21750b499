"""The storages that a site has before anything is on them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

ISO = {
    "type": "dir",
    "active": 1,
    "content": "iso,vztmpl,backup,import",
    "files": set(),
    "path": "/var/lib/vz",
    "avail": 50 * 1024**3,
}
LOCAL = {
    "type": "lvmthin",
    "active": 1,
    "content": "images,rootdir",
    "files": set(),
    "vgname": "pve",
    "thinpool": "data",
}
CEPH = {"type": "rbd", "active": 1, "content": "images,rootdir", "files": set(), "pool": "rbd", "shared": 1}


def storages(iso: str, disks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Storages by name. `local` and what begins with it belong to each node alone, as the installer names
    them (`local-lvm`, `local-zfs`); the nodes share any other.
    """
    found = {name: LOCAL if name.startswith("local") else CEPH for name in disks}
    return deepcopy({**found, iso: ISO})
