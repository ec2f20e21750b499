"""A disk image that a VM is made around: a few lines of JSON, which say what is on the disk that they stand for.

It is downloaded and checked like any other file; `import-from` of a new VM's disk then makes the guest's file
system from it, sealed, as an image is that was made to be cloned.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from lab.proxmox import debian


class DiskImageError(Exception):
    """The file is no disk image of the lab."""


class DiskImage(BaseModel):
    """What is on the disk."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    packages: frozenset[str]
    """Installed besides Debian's base system."""
    ssh_port: int = 22
    disk_gib: int = Field(default=3, ge=1)
    """Size of the disk, before it grows."""


def parse(content: bytes) -> DiskImage:
    """Read an image.

    Raises:
        DiskImageError: it is none, or has packages that the lab does not know.
    """
    try:
        image = DiskImage.model_validate_json(content)
    except ValidationError:
        raise DiskImageError("not a disk image of the lab, which lab/proxmox/disk_image.py describes") from None
    if unknown := sorted(image.packages - debian.AVAILABLE.keys()):
        raise DiskImageError(f"the lab has no package {', '.join(unknown)}")
    return image


def write(root: Path, image: DiskImage) -> None:
    """Write the file system `root`, in which nobody can log in before cloud-init has run.

    Aside first, then renamed: a service that is killed meanwhile leaves no half disk.
    """
    partial = root.with_name("importing")
    shutil.rmtree(partial, ignore_errors=True)
    _populate(partial, image)
    partial.rename(root)


def _populate(root: Path, image: DiskImage) -> None:
    accounts = debian.Accounts(root_hash="!", user=None, user_fullname="", user_hash="!")
    plan = debian.Plan(
        hostname="debian",
        domain="localdomain",
        locale="C.UTF-8",
        timezone="Etc/UTC",
        mirror="deb.debian.org/debian",
        accounts=accounts,
        packages=image.packages,
        disk_label="gpt",  # as all of Debian's cloud images
        late_command="",
    )
    debian.populate(root, plan)
    (root / "etc/machine-id").write_text("")
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    if "openssh-server" in image.packages:
        settings = f"Port {image.ssh_port}\nPasswordAuthentication no\n"
        (root / "etc/ssh/sshd_config.d/10-image.conf").write_text(settings)
    if "open-iscsi" in image.packages:
        (root / "etc/iscsi/initiatorname.iscsi").write_text("GenerateName=yes\n")
