"""cloud-init of a guest: what Proxmox puts on the cloud-init drive, applied once per instance.

Proxmox writes user data and network data from the VM's configuration; the instance id is a digest
of both, so that a changed configuration is a new instance at the next boot. What the image's
cloud-init then does follows Debian's /etc/cloud/cloud.cfg.
https://pve.proxmox.com/wiki/Cloud-Init_Support
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import asyncssh

from lab.proxmox.accounts import account

DEFAULT_USER = "debian"
NOBODY = 65534
INSTANCE = "var/lib/cloud/data/instance-id"
RESULT = "run/cloud-init/result.json"
HOST_KEYS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256"}
NOT_MODELLED = {
    "cicustom": "snippets are files on the node",
    "cipassword": "give an SSH key",
}


@dataclass(frozen=True)
class UserData:
    """What the drive tells the guest."""

    hostname: str
    user: str
    keys: tuple[str, ...]
    nameservers: tuple[str, ...]
    search_domains: tuple[str, ...]

    @classmethod
    def of(cls, name: str, config: Mapping[str, object]) -> UserData:
        """Read it from a VM's configuration."""
        keys = unquote(str(config.get("sshkeys", ""))).splitlines()
        return cls(
            hostname=name.partition(".")[0],
            user=str(config.get("ciuser") or DEFAULT_USER),
            keys=tuple(key.strip() for key in keys if key.strip()),
            nameservers=tuple(str(config.get("nameserver", "")).split()),
            search_domains=tuple(str(config.get("searchdomain", "")).split()),
        )

    @property
    def instance_id(self) -> str:
        return hashlib.sha1(repr(self).encode(), usedforsecurity=False).hexdigest()


def refusal(config: Mapping[str, object]) -> tuple[str, str] | None:
    """(key, reason) of the first setting that the lab's cloud-init does not model."""
    for key, value in config.items():
        if key in NOT_MODELLED:
            return key, NOT_MODELLED[key]
        if re.fullmatch(r"ipconfig\d+", key) and value != "ip=dhcp":
            return key, f"got {value!r}, only ip=dhcp"
    return None


def apply(root: Path, data: UserData) -> bool:
    """Apply the user data unless this instance has it already. Returns whether it did."""
    instance = root / INSTANCE
    known = instance.exists() and instance.read_text().strip() == data.instance_id
    if not known:
        _hostname(root, data.hostname)
        _user(root, data.user)
        authorize(root, data.user, data.keys)
        _resolver(root, data)
        _host_keys(root)
        instance.parent.mkdir(parents=True, exist_ok=True)
        instance.write_text(data.instance_id + "\n")
    result = root / RESULT
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text('{"v1": {"datasource": "DataSourceNoCloud", "errors": []}}\n')
    return not known


def authorize(root: Path, name: str, keys: Iterable[str]) -> None:
    """Add public keys to a user's authorized_keys."""
    user = account(root, name)
    if user is None:
        return
    path = root / user.home.lstrip("/") / ".ssh/authorized_keys"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    present = path.read_text().splitlines() if path.exists() else []
    path.write_text("".join(f"{line}\n" for line in [*present, *(key for key in keys if key not in present)]))
    path.chmod(0o600)


def _hostname(root: Path, name: str) -> None:
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(
        f"127.0.1.1 {name} {name}\n127.0.0.1 localhost\n\n::1 localhost ip6-localhost ip6-loopback\n"
    )


def _user(root: Path, name: str) -> None:
    """cloud-init makes the user if it is missing, locks its password and lets it use sudo without one."""
    if account(root, name) is None:
        uids = [int(line.split(":")[2]) for line in _read(root / "etc/passwd")]
        uid = 1 + max([999, *(uid for uid in uids if 1000 <= uid < NOBODY)])
        with (root / "etc/passwd").open("a") as file:
            file.write(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/bash\n")
        with (root / "etc/group").open("a") as file:
            file.write(f"{name}:x:{uid}:\n")
        (root / "home" / name).mkdir(parents=True, exist_ok=True)
    _lock_password(root / "etc/shadow", name)
    sudoers = root / "etc/sudoers.d/90-cloud-init-users"
    sudoers.parent.mkdir(parents=True, exist_ok=True)
    sudoers.write_text(f"{name} ALL=(ALL) NOPASSWD:ALL\n")


def _lock_password(shadow: Path, name: str) -> None:
    lines = [line.split(":") for line in _read(shadow)]
    for fields in lines:
        if fields[0] == name and not fields[1].startswith("!"):
            fields[1] = "!" + fields[1]
    if not any(fields[0] == name for fields in lines):
        lines.append([name, "!", "", "0", "99999", "7", "", "", ""])
    shadow.write_text("".join(":".join(fields) + "\n" for fields in lines))


def _resolver(root: Path, data: UserData) -> None:
    if data.nameservers or data.search_domains:
        lines = [f"nameserver {server}" for server in data.nameservers]
        lines += [f"search {' '.join(data.search_domains)}"] if data.search_domains else []
        (root / "etc/resolv.conf").write_text("\n".join(lines) + "\n")


def _host_keys(root: Path) -> None:
    """A new instance gets new SSH host keys (`ssh_deletekeys`); no RSA key, since making one takes a second."""
    folder = root / "etc/ssh"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ssh_host_*"):
        old.unlink()
    for name, algorithm in HOST_KEYS.items():
        key = asyncssh.generate_private_key(algorithm, comment="root@guest")
        path = folder / f"ssh_host_{name}_key"
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
        path.with_suffix(".pub").write_bytes(key.export_public_key())


def _read(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def forget_runtime(root: Path) -> None:
    """Empty /run and /tmp, as a boot does."""
    for name in ("run", "tmp"):
        shutil.rmtree(root / name, ignore_errors=True)
