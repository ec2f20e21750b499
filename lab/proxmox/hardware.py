"""Virtual hardware of a VM, where fakepve leaves something open.

Drives that a change of the configuration allocates or retires, cloud-init drives (known by their
name), disks that are imported, `resize`, `migrate`, and what keeps a VM from being cloned, started or destroyed.
Follows qemu-server: PVE/API2/Qemu.pm, PVE/QemuServer/Cloudinit.pm, PVE/QemuMigrate.pm.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakepve.lxc import format_size
from fakepve.model import PveError, TaskError
from fakepve.qemu import (
    DRIVE_KEY,
    drives_of,
    is_cdrom,
    join_drive,
    split_drive,
    volume_ref,
)
from fakepve.routing import die, param_error, split_list
from fakepve.storage import _exists_message, _is_file

from lab.proxmox import disk_image
from lab.proxmox.backups import Backups
from lab.proxmox.cloudinit import refusal
from lab.proxmox.disk_image import DiskImage, DiskImageError
from lab.proxmox.firmware import is_cloud_init, network_card
from lab.proxmox.modelled import CLOUD_INIT_KEYS

CLOUD_INIT_BYTES = 4 * 1024**2
MIGRATION_SECONDS = 2.0
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Hardware(Backups):
    """A site whose drives behave as the real one's."""

    bridges: tuple[str, ...]

    def __init__(self, user: str, password: str, host: str, port: int, imports: Path) -> None:
        super().__init__(user, password, host, port)
        self.imports = imports
        """Folder with the content of the files that VMs may be made from."""
        self.imported: dict[int, DiskImage] = {}
        """VMID -> what is on the disk of a VM that is being made."""
        self._config_locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def _routes_hardware(self) -> list[tuple[str, str, Any]]:
        one = "/nodes/{node}/qemu/{vmid}"
        return [("PUT", f"{one}/resize", self._resize), ("POST", f"{one}/migrate", self._migrate)]

    # ------------------------------------------------------------ configuration

    def _config_priv(self, key: str) -> str:
        if key in CLOUD_INIT_KEYS or key.startswith("ipconfig"):
            return "VM.Config.Cloudinit"
        return str(super()._config_priv(key))

    async def _qm_create(self, values: dict[str, Any], user: str) -> str:
        self._check_modelled(values)
        self._check_bridges(user, values)
        self.imported.pop(int(values["vmid"]), None)  # of an attempt that failed
        return str(await super()._qm_create(values, user))

    async def _apply_config(self, vm: Any, user: str, params: dict[str, Any]) -> None:
        # Drives are made and removed under the lock of the configuration, one change after the other.
        async with self._config_locks[vm.vmid]:
            await self._apply_config_locked(vm, user, params)

    async def _apply_config_locked(self, vm: Any, user: str, params: dict[str, Any]) -> None:
        self._check_modelled(params)
        if any("import-from=" in str(value) for key, value in params.items() if DRIVE_KEY.match(key)):
            raise PveError(501, "import-from is modelled by the lab's Proxmox VE for a new VM only")
        self._check_bridges(user, params)
        for key in split_list(params.get("delete")):
            if DRIVE_KEY.match(key) and vm.config.get("protection") in (1, "1", True):
                raise die(f"can't remove drive '{key}' - protection mode enabled")
        before, made, changed = set(_volumes(vm)), [], dict(params)
        for key in sorted(filter(DRIVE_KEY.match, params)):
            self._qm_check_drive(user, vm.vmid, None, key, params[key], None)
            changed[key], volumes = self._qm_new_drive(vm.vmid, key, params[key], None)
            made += volumes
        try:
            await super()._apply_config(vm, user, changed)
        except BaseException:
            for volume in made:
                self._qm_free(volume)
            raise
        self.retire(vm, before)

    def retire(self, vm: Any, before: set[str]) -> None:
        """Deal with volumes that the VM had and no drive holds any more: a disk is kept as `unusedN`."""
        for volume in sorted(before - set(_volumes(vm))):
            if is_cloud_init(volume):
                self._qm_free(volume)
            elif volume.split("/")[0].partition(":")[2] not in ("iso", ""):
                number = next(n for n in range(256) if f"unused{n}" not in vm.config)
                vm.config[f"unused{number}"] = volume

    def _check_modelled(self, params: dict[str, Any]) -> None:
        if found := refusal(params):
            raise PveError(501, f"{found[0]} is not modelled by the lab's Proxmox VE: {found[1]}")

    async def _qm_destroy(self, values: dict[str, Any], user: str) -> str:
        vm = self.find(values["node"], values["vmid"])
        used = {volume for other in self.vms if other is not vm for volume in _volumes(other)}
        for base in _volumes(vm) if vm.template else ():
            if any(volume.startswith(f"{base}/") for volume in used):
                raise die(f"base volume '{base}' is still in use by linked cloned")  # word for word
        return str(await super()._qm_destroy(values, user))

    def _check_bridges(self, user: str, params: dict[str, Any]) -> None:
        for key, value in params.items():
            if re.fullmatch(r"net\d+", key) and (card := network_card({"net0": value})) and "bridge" in card[1]:
                parts = (card[1]["bridge"], card[1].get("tag"))
                self.require(user, "/".join(["/sdn/zones/localnetwork", *filter(None, parts)]), "SDN.Use")

    # ------------------------------------------------------------------- drives

    def _qm_new_drive(self, vmid: int, key: str, value: str, default: str | None) -> tuple[str, list[str]]:
        volume, options = split_drive(value)
        if source := options.pop("import-from", None):
            return self._import(vmid, key, volume, source, options)
        if not volume.endswith(":cloudinit"):
            self._check_stored(volume)
            changed: tuple[str, list[str]] = super()._qm_new_drive(vmid, key, value, default)
            return changed
        storage = volume_ref(volume)[0]
        made = self._make_cloud_init(storage, vmid)
        return join_drive(made, {**options, "media": "cdrom", "size": format_size(CLOUD_INIT_BYTES)}), [made]

    def _qm_check_drive(
        self, user: str, vmid: int, pool: str | None, key: str, value: str, default: str | None
    ) -> None:
        super()._qm_check_drive(user, vmid, pool, key, value, default)
        if source := split_drive(value)[1].get("import-from"):
            storage, name = volume_ref(source)
            kind, owner, _format = self._parse_volname(self._store(storage), name)
            self._check_access(user, storage, kind, owner, source)
            if kind != "import":
                raise PveError(501, f"import-from is modelled for files of content type import only, not {source}")

    def _import(self, vmid: int, key: str, volume: str, source: str, options: dict[str, str]) -> tuple[str, list[str]]:
        """A disk with the content, and at first the size, of a disk image."""
        if not volume.endswith(":0"):
            raise param_error(**{key: "import-from takes STORAGE_ID:0: the size is the image's"})
        storage, name = volume_ref(source)
        if name not in self.storages[storage].get("volumes", {}):
            raise die(f"volume '{source}' does not exist")
        try:
            image = disk_image.parse((self.imports / Path(name).name).read_bytes())
        except (OSError, DiskImageError) as error:
            raise die(f"could not import '{source}': {error}") from None
        made: tuple[str, list[str]] = super()._qm_new_drive(
            vmid, key, join_drive(f"{volume.removesuffix('0')}{image.disk_gib}", options), None
        )
        self.imported[vmid] = image
        return made

    def _make_cloud_init(self, storage: str, vmid: int) -> str:
        store = self.storages[storage]
        name, form = f"vm-{vmid}-cloudinit", "raw"
        if _is_file(store):
            name, form = f"{vmid}/{name}.qcow2", "qcow2"
        volumes = store.setdefault("volumes", {})
        if name in volumes:
            raise die(_exists_message(store, name))
        volumes[name] = {"content": "images", "format": form, "size": CLOUD_INIT_BYTES, "vmid": vmid, "ctime": 0}
        return f"{storage}:{name}"

    def clone_cloud_init(self, vm: Any) -> None:
        """Give a clone cloud-init drives of its own instead of its source's."""
        for key, volume, options in drives_of(vm.config):
            if is_cloud_init(volume):
                vm.config[key] = join_drive(self._make_cloud_init(volume_ref(volume)[0], vm.vmid), options)

    def _check_stored(self, volume: str) -> None:
        storage, name = volume_ref(volume)
        if storage in self.storages and name.startswith("iso/") and name[4:] not in self.storages[storage]["files"]:
            raise die(f"volume '{volume}' does not exist")

    def check_start(self, vm: Any) -> None:
        """What QEMU would not start with.

        Raises:
            TaskError: a medium is gone, or there is no such bridge.
        """
        try:
            for _key, volume, _options in drives_of(vm.config):
                self._check_stored(volume)
        except PveError as error:
            raise TaskError(error.message) from None
        for index in range(32):
            card = network_card(vm.config, index)
            if card and card[1].get("bridge", self.bridges[0]) not in self.bridges:
                raise TaskError(f"bridge '{card[1]['bridge']}' does not exist")

    async def _resize(self, values: dict[str, Any], user: str) -> str:
        vm = self.find(values["node"], values["vmid"])
        self.need_quorum()
        key, asked = values["disk"], re.fullmatch(r"(\+?)(\d+(?:\.\d+)?)([KMGT]?)", str(values["size"]))
        if asked is None:
            raise param_error(size=f"value does not match the regex pattern: {values['size']}")

        async def body() -> None:
            if vm.lock:
                raise TaskError(f"VM is locked ({vm.lock})")
            if key not in vm.config:
                raise TaskError(f"disk '{key}' does not exist")
            volume, options = split_drive(vm.config[key])
            if is_cdrom(volume, options):
                raise TaskError("you can't resize a cdrom")
            stored = self._qm_volume(volume)
            size = int(float(asked.group(2)) * UNITS[asked.group(3)]) + (stored["size"] if asked.group(1) else 0)
            if size < stored["size"]:
                raise TaskError("shrinking disks is not supported")
            stored["size"] = size
            vm.config[key] = join_drive(volume, {**options, "size": format_size(size)})

        return str(await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm))

    # ------------------------------------------------------------ several nodes

    async def _qm_clone(self, values: dict[str, Any], user: str) -> str:
        source, target = self.find(values["node"], values["vmid"]), values.get("target")
        if target not in (None, source.node, "localhost") and any(self._local_volumes(source)):
            raise die(f"can't clone VM to node '{target}' (VM uses local storage)")
        return str(await super()._qm_clone(values, user))

    async def _migrate(self, values: dict[str, Any], user: str) -> str:
        vm, target = self.find(values["node"], values["vmid"]), values["target"]
        if target == vm.node:
            raise param_error(target="target is local node.")
        if target not in self.nodes:
            raise die(f"no such cluster node '{target}'")
        self.need_quorum()
        self._check_lock(vm)
        if vm.status == "running" and not values.get("online"):
            raise die("can't migrate running VM without --online")
        stuck = [v for v in self._local_volumes(vm) if ":iso/" in v or not values.get("with-local-disks")]
        if not self.nodes[target]["online"]:
            problem = f"Can't connect to destination address of node '{target}'"
        elif stuck:
            kind = "cdrom" if ":iso/" in stuck[0] else "disk"
            problem = f"Problem found while scanning volumes - can't migrate local {kind} '{stuck[0]}'"
        else:
            return str(await self.migrate(vm.vmid, target, MIGRATION_SECONDS, user))

        async def body() -> None:
            raise TaskError("migration aborted")

        return str(await self.task(vm.node, "qmigrate", vm.vmid, user, body, vm=vm, log=[f"ERROR: {problem}"]))

    def _local_volumes(self, vm: Any) -> Iterator[str]:
        for volume in _volumes(vm):
            storage = self.storages.get(volume_ref(volume)[0])
            if storage is not None and not storage.get("shared") and not is_cloud_init(volume):
                yield volume


def _volumes(vm: Any) -> Iterator[str]:
    """Volumes that the VM's configuration names, pending changes included."""
    pending = {key: value for key, value in vm.pending.items() if value is not None}
    for config in (vm.config, pending):
        yield from (volume for _key, volume, _options in drives_of(config) if volume_ref(volume)[0])
        yield from (str(value).split(",")[0] for key, value in config.items() if re.fullmatch(r"unused\d+", key))
