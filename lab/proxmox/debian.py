"""What a freshly installed Debian 12 has on its disk, as far as a guest of the lab needs it.

Programs come from the machine that the lab runs on; /etc, /var, /root and /home are the guest's own
and are made here.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh

RELEASE = "12.15"
"""What 12 becomes by the installer's full-upgrade; versions below are of the same day."""

BASE = {
    "adduser": "3.134",
    "apt": "2.6.2",
    "base-files": "12.4+deb12u15",
    "bash": "5.2.15-2+b13",
    "ca-certificates": "20250419~deb12u2",
    "coreutils": "9.1-1",
    "dpkg": "1.21.23",
    "e2fsprogs": "1.47.0-2+b2",
    "grub-pc": "2.06-13+deb12u2",
    "ifupdown": "0.8.41",
    "iproute2": "6.1.0-3",
    "isc-dhcp-client": "4.4.3-P1-2",
    "kmod": "30+20221128-1",
    "libc6": "2.36-9+deb12u14",
    "linux-image-amd64": "6.1.192-2",
    "login": "1:4.13+dfsg1-1+deb12u2",
    "passwd": "1:4.13+dfsg1-1+deb12u2",
    "procps": "2:4.0.2-3",
    "systemd": "252.39-1~deb12u2",
    "systemd-sysv": "252.39-1~deb12u2",
    "tar": "1.34+dfsg-1.2+deb12u1",
    "tzdata": "2026f-0+deb12u1",
    "udev": "252.39-1~deb12u2",
    "util-linux": "2.38.1-5+deb12u3",
}
"""Installed whatever the answers are: package -> version."""

AVAILABLE = {
    "cloud-guest-utils": "0.33-1",
    "cloud-init": "22.4.2-1+deb12u4",
    "curl": "7.88.1-10+deb12u15",
    "gnupg": "2.2.40-1.1+deb12u2",
    "jq": "1.6-2.1+deb12u3",
    "nfs-common": "1:2.6.2-4+deb12u1",
    "open-iscsi": "2.1.8-1+deb12u1",
    "openssh-server": "1:9.2p1-2+deb12u10",
    "python3": "3.11.2-1+b1",
    "qemu-guest-agent": "1:7.2+dfsg-7+deb12u18+b3",
    "rsync": "3.5.0+ds1-0+deb12u1",
    "sudo": "1.9.13p3-1+deb12u4",
    "systemd-timesyncd": "252.39-1~deb12u2",
    "unattended-upgrades": "2.9.1+nmu3",
    "vim": "2:9.0.1378-2+deb12u2",
}
"""What the lab's mirror has besides."""

_SYSTEM_USERS = {
    "daemon": (1, "/usr/sbin"),
    "bin": (2, "/bin"),
    "sys": (3, "/dev"),
    "mail": (8, "/var/mail"),
    "www-data": (33, "/var/www"),
    "nobody": (65534, "/nonexistent"),
    "systemd-network": (998, "/"),
}
_SYSTEM_GROUPS = {"adm": 4, "tty": 5, "disk": 6, "sudo": 27, "shadow": 42, "users": 100, "nogroup": 65534}

_FOLDERS = (
    "etc/apt/apt.conf.d",
    "etc/default",
    "etc/network/interfaces.d",
    "etc/skel",
    "etc/systemd/system",
    "home",
    "mnt",
    "opt",
    "run/lock",
    "srv",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dbus",
    "var/lib/dpkg/info",
    "var/lib/dpkg/updates",
    "var/log/apt",
    "var/spool",
    "var/tmp",
)


_DISK_LABEL = "disk-label"
"""File beside the folders that a guest sees: the type of the disk's partition table."""


@dataclass(frozen=True)
class Accounts:
    """Who may log in; hashes as /etc/shadow holds them (`!` is locked)."""

    root_hash: str
    user: str | None
    user_fullname: str
    user_hash: str


@dataclass(frozen=True)
class Plan:
    """An installation whose questions are all answered."""

    hostname: str
    domain: str
    locale: str
    timezone: str
    mirror: str
    """Host and path of the mirror, without a scheme."""
    accounts: Accounts
    packages: frozenset[str]
    """Asked for besides the base system."""
    disk_label: str
    """Type of the partition table, as lsblk(8) names it."""
    late_command: str


def populate(root: Path, plan: Plan) -> None:
    """Write an installed system below `root`, which is empty."""
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    (root / "root").mkdir(mode=0o700, exist_ok=True)
    _write(root, _accounts(plan.accounts, plan.packages) | _identity(plan) | _configuration(plan))
    (root / _DISK_LABEL).write_text(plan.disk_label)
    (root / "etc/shadow").chmod(0o640)
    (root / "var/run").symlink_to("/run")
    (root / "etc/localtime").symlink_to(f"/usr/share/zoneinfo/{plan.timezone}")
    if plan.accounts.user is not None:
        (root / "home" / plan.accounts.user).mkdir(mode=0o700)
    _packages(root, plan.packages)


def record_disk(root: Path) -> None:
    """Write what udev finds on the disk at boot into its database, which `lsblk` of the guest reads."""
    label, record = root / _DISK_LABEL, root / "run/udev/data/b8:0"
    record.parent.mkdir(parents=True, exist_ok=True)
    # A disk that an earlier version of the lab wrote does not say.
    record.write_text(f"E:ID_PART_TABLE_TYPE={label.read_text()}\n" if label.exists() else "")


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _accounts(accounts: Accounts, packages: frozenset[str]) -> dict[str, str]:
    users = {"root": (0, 0, "root", "/root", "/bin/bash", accounts.root_hash)}
    for name, (uid, home) in _SYSTEM_USERS.items():
        users[name] = (uid, uid, name, home, "/usr/sbin/nologin", "*")
    if "openssh-server" in packages:
        users["sshd"] = (101, 65534, "", "/run/sshd", "/usr/sbin/nologin", "!")
    if accounts.user is not None:
        home = f"/home/{accounts.user}"
        users[accounts.user] = (1000, 1000, f"{accounts.user_fullname},,,", home, "/bin/bash", accounts.user_hash)
    groups = {name: gid for name, (_, gid, *_) in users.items() if gid < 65534} | _SYSTEM_GROUPS
    # user-setup(8): with root locked, the user is the administrator.
    members = {"sudo": accounts.user} if accounts.user is not None and accounts.root_hash == "!" else {}
    return {
        "etc/passwd": "".join(
            f"{n}:x:{u}:{g}:{gecos}:{home}:{shell}\n" for n, (u, g, gecos, home, shell, _) in users.items()
        ),
        "etc/shadow": "".join(f"{name}:{fields[5]}:20000:0:99999:7:::\n" for name, fields in users.items()),
        "etc/group": "".join(f"{name}:x:{gid}:{members.get(name, '')}\n" for name, gid in groups.items()),
        "etc/shells": "/bin/sh\n/bin/bash\n/usr/bin/bash\n",
    }


def _identity(plan: Plan) -> dict[str, str]:
    return {
        "etc/hostname": f"{plan.hostname}\n",
        "etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{plan.hostname}.{plan.domain}\t{plan.hostname}\n",
        "etc/machine-id": f"{secrets.token_hex(16)}\n",
        "etc/debian_version": f"{RELEASE}\n",
        "etc/os-release": (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
            'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL="https://www.debian.org/"\n'
        ),
    }


def _configuration(plan: Plan) -> dict[str, str]:
    repository, security = f"deb http://{plan.mirror}", "deb http://security.debian.org/debian-security"
    components = "main non-free-firmware"
    return {
        "etc/apt/sources.list": "".join(
            f"{line} {components}\n"
            for line in (f"{repository} bookworm", f"{security} bookworm-security", f"{repository} bookworm-updates")
        ),
        "etc/default/locale": f"LANG={plan.locale}\n",
        "etc/timezone": f"{plan.timezone}\n",
        "etc/fstab": f"UUID={uuid.uuid4()} / ext4 errors=remount-ro 0 1\n",
        "etc/network/interfaces": (
            "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n"
            "allow-hotplug ens18\niface ens18 inet dhcp\n"
        ),
        "etc/environment": "",
        # systemd's, of the first boot.
        "var/lib/systemd/timers/stamp-apt-daily.timer": "",
        "var/lib/systemd/timers/stamp-apt-daily-upgrade.timer": "",
        "etc/profile": "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
    }


def _packages(root: Path, packages: frozenset[str]) -> None:
    installed = BASE | {name: AVAILABLE[name] for name in packages}
    _write(
        root, {"var/lib/dpkg/status": "\n".join(_status(name, version) for name, version in sorted(installed.items()))}
    )
    for name in packages & _CONFIGURATION.keys():
        _write(root, _CONFIGURATION[name])
    if "sudo" in packages:
        (root / "etc/sudoers").chmod(0o440)
    if "open-iscsi" in packages:
        initiator = f"InitiatorName=iqn.1993-08.org.debian:01:{secrets.token_hex(6)}\n"
        _write(root, {"etc/iscsi/initiatorname.iscsi": initiator})
    if "openssh-server" in packages:
        (root / "etc/ssh/sshd_config.d").mkdir()
        _host_key(root / "etc/ssh/ssh_host_ed25519_key")


def _host_key(path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    key.write_private_key(path)
    key.write_public_key(path.with_name(f"{path.name}.pub"))


def _status(name: str, version: str) -> str:
    return (
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: admin\n"
        f"Maintainer: Debian\nArchitecture: amd64\nVersion: {version}\nDescription: {name}\n"
    )


_CONFIGURATION: dict[str, dict[str, str]] = {
    "openssh-server": {
        "etc/ssh/sshd_config": (
            "Include /etc/ssh/sshd_config.d/*.conf\n\nKbdInteractiveAuthentication no\nUsePAM yes\n"
            "X11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
        ),
    },
    "sudo": {
        "etc/sudoers": (
            "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
        ),
        "etc/sudoers.d/README": "# Files here that hold no dot and end in no ~ are read by sudo.\n",
    },
    "cloud-init": {
        "etc/cloud/cloud.cfg": (
            "users:\n  - default\ndisable_root: true\npreserve_hostname: false\nssh_deletekeys: true\n"
        ),
        "etc/cloud/cloud.cfg.d/README": "",
    },
    "unattended-upgrades": {
        "etc/apt/apt.conf.d/20auto-upgrades": (
            'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
        ),
        "etc/apt/apt.conf.d/50unattended-upgrades": (
            "Unattended-Upgrade::Origins-Pattern {\n"
            '\t"origin=Debian,codename=${distro_codename},label=Debian";\n'
            '\t"origin=Debian,codename=${distro_codename},label=Debian-Security";\n'
            '\t"origin=Debian,codename=${distro_codename}-security,label=Debian-Security";\n'
            "};\nUnattended-Upgrade::Package-Blacklist {\n};\n"
        ),
    },
}
"""What a package's installation leaves in /etc and others look at."""
