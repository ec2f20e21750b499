"""A rendered preseed and the variables of a build, with made-up secrets."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = Path(__file__).resolve().parents[3] / "packer"
USER_PASSWORD = "correct-horse-battery"
TOKEN = "11111111-2222-3333-4444-555555555555"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsmbwqWNPGe9tWhvQZ9pFQbk0aKm1Fz4OZ1dGd7e0oD"


def bcrypt(password: str) -> str:
    """A hash as the random provider makes them."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), b"$2a$05$abcdefghijklmnopqrstuu")
    return hashed.decode()


@pytest.fixture(scope="session")
def preseed_text() -> str:
    environment = Environment(  # noqa: S701 - a preseed is not HTML
        loader=FileSystemLoader(TEMPLATE), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("preseed.cfg.j2").render(
        root_password_hash=bcrypt("nobody-knows"),
        user="ossng",
        user_password_hash=bcrypt(USER_PASSWORD),
        public_key=PUBLIC_KEY,
        mirror="ftp.fr.debian.org",
        ssh_port=2222,
    )


@pytest.fixture(scope="session")
def variables(preseed_text: str) -> dict[str, str]:
    """PKR_VAR_<name> of every variable without a default."""
    values = {
        "proxmox_url": "https://127.83.16.1:8006/api2/json",
        "proxmox_username": "oss-nextgen@pve!pulumi",
        "proxmox_token": TOKEN,
        "insecure_skip_tls_verify": "false",
        "node": "pve1",
        "vm_id": "2001",
        "template_name": "paris-debian-12-0123456789ab",
        "description": "golden image",
        "iso_file": "local:iso/debian-12.12.0-amd64-netinst.iso",
        "disk_storage": "local-lvm",
        "disk_gib": "20",
        "bridge": "vmbr0",
        "vlan": "",
        "http_bind_address": "127.83.16.2",
        "preseed": preseed_text,
        "ssh_username": "ossng",
        "ssh_password": USER_PASSWORD,
        "ssh_port": "2222",
    }
    return {f"PKR_VAR_{name}": value for name, value in values.items()}
