"""What a VM boots from: the part of its configuration that its firmware reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Boot = Literal["disk", "installer"]

DISK = re.compile(r"^(ide|sata|scsi|virtio)\d+$")
LEGACY_ORDER = {"c": "disk", "d": "cdrom", "n": "network"}


def options(value: str) -> tuple[str, dict[str, str]]:
    """Split `VOLUME,key=value,...` as drives are written."""
    first, *rest = value.split(",")
    return first.removeprefix("file="), dict(part.partition("=")[::2] for part in rest)


def boot_source(config: Mapping[str, object], installed: bool, ejected: bool = False) -> Boot | None:
    """The first device of the boot order that boots.

    Args:
        config: The VM's configuration.
        installed: Whether a system was installed on its disk.
        ejected: Whether an installer has ejected its medium since the VM was started.

    Returns:
        "disk", "installer" (an ISO is inserted) or None: no bootable device.
    """
    for device in _boot_order(config):
        volume, drive = options(str(config.get(device, "none")))
        if drive.get("media") != "cdrom":
            if installed and DISK.match(device):
                return "disk"
        elif volume not in ("none", "cdrom") and not is_cloud_init(volume) and not ejected:
            return "installer"
    return None


def is_cloud_init(volume: str) -> bool:
    """Whether a volume is a cloud-init drive: Proxmox knows it by its name."""
    return re.search(r"[:/](?:vm-\d+-)?cloudinit(?:\.\w+)?$", volume) is not None


def cloud_init_drive(config: Mapping[str, object]) -> str | None:
    """The device that holds the cloud-init drive."""
    return next((d for d in sorted(config) if DISK.match(d) and is_cloud_init(options(str(config[d]))[0])), None)


def network_card(config: Mapping[str, object], index: int = 0) -> tuple[str, dict[str, str]] | None:
    """(MAC address, options) of one network card."""
    value = config.get(f"net{index}")
    if value is None:
        return None
    model, rest = options(str(value))
    return model.partition("=")[2].upper(), rest


def _boot_order(config: Mapping[str, object]) -> list[str]:
    boot = str(config.get("boot", "cdn"))
    if boot.startswith("order="):
        return boot.removeprefix("order=").split(";")
    disks = sorted(device for device in config if DISK.match(device))
    kinds = [LEGACY_ORDER.get(letter) for letter in boot.removeprefix("legacy=")]
    cdroms = [device for device in disks if "media=cdrom" in str(config[device])]
    first = str(config.get("bootdisk", ""))
    hard = sorted((device for device in disks if device not in cdroms), key=lambda device: device != first)
    return [device for kind in kinds for device in {"disk": hard, "cdrom": cdroms}.get(str(kind), [])]
