"""What makes a golden image, and the name that follows from it.

Pure functions: no Pulumi, no network. A template is named by a hash of its recipe (template, preseed,
scripts, installer or disk image, sizes), never of salts or passwords: the same recipe gives the same
name on every runner, and a new recipe builds beside the old image.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from settings import Access, Image, Network, Proxmox

FOLDER = Path(__file__).resolve().parents[2] / "packer"
INGREDIENTS = ("*.pkr.hcl", "*.j2", "scripts/*.sh")
"""What counts of the folder: not what an editor or a crash leaves there."""
IMAGE_IDS = 100
"""Images take the first VMIDs of the site."""


def digest(image: Image, access: Access, network: Network, proxmox: Proxmox, folder: Path = FOLDER) -> str:
    """Twelve hexadecimal digits that change when the image would."""
    sha = hashlib.sha256()
    values: dict[str, Any] = {"bridge": network.bridge, "vlan": network.vlan, "diskStorage": proxmox.disk_storage}
    if image.source == "cloud-image":
        # The VM that cloud_image.py makes around the disk has a number: raise it with a change there.
        values |= {"cloudImage": image.model_dump(mode="json", include={"cloud_image", "disk_gib"}), "hardware": 1}
    else:
        for path in sorted(path for pattern in INGREDIENTS for path in folder.glob(pattern)):
            sha.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        values["image"] = image.model_dump(mode="json", include={"iso", "mirror", "disk_gib"})
        values["access"] = access.model_dump(mode="json")
    sha.update(json.dumps(values, sort_keys=True).encode())
    return sha.hexdigest()[:12]


def template_name(site: str, digest: str) -> str:
    """Name of the template on Proxmox (`settings.image_rules.is_own_image` knows it again)."""
    return f"{site}-debian-12-{digest}"


def vm_ids(base: int, name: str) -> list[int]:
    """VMIDs that a template may have, in the order in which to try them: from one that its name tells, in a ring.

    Two recipes may want the same one: the second gets the next. A template is known by its name, wherever it is.
    """
    first = int(name.rpartition("-")[2], 16) % IMAGE_IDS
    return [base + (first + step) % IMAGE_IDS for step in range(IMAGE_IDS)]


def render_preseed(
    *,
    root_password_hash: str,
    access: Access,
    user_password_hash: str,
    public_key: str,
    mirror: str,
    folder: Path = FOLDER,
) -> str:
    """The preseed file of the Debian installer. It holds crypt hashes only."""
    # The output is a preseed, not HTML: nothing to escape.
    environment = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    return environment.get_template("preseed.cfg.j2").render(
        root_password_hash=root_password_hash,
        user=access.user,
        ssh_port=access.ssh_port,
        user_password_hash=user_password_hash,
        public_key=public_key,
        mirror=mirror,
    )
