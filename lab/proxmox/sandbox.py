"""Running a command inside a guest: bubblewrap over the guest's own folder.

A guest has its own /etc, /root, /home, /var, /tmp, /run, /opt, /srv and host name, and sees the
programs of the machine that the lab runs on. It shares the network, where it has an address of its
own. One user of the machine plays all users of a guest: whoever runs a command is mapped to the
uid that the command should have, so that the lab needs no root, and no user of a guest is kept out
of another's files.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.proxmox.accounts import Account

OVERLAY = Path(__file__).parent / "overlay"
"""Commands that only a booted system has (sudo, systemctl, ...): a guest sees them in /usr/local/sbin."""

OWN = ("etc", "root", "home", "var", "tmp", "run", "opt", "srv", "mnt")
"""Top-level folders that each guest has for itself."""

FROM_HOST = ("/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache", "/etc/ca-certificates", "/etc/nsswitch.conf")
"""Read-only, since the programs in /usr need those that fit them."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(root: Path) -> None:
    """Make the folders that a guest needs to run a command."""
    for name in OWN:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)


def command_line(
    root: Path,
    hostname: str,
    argv: Sequence[str],
    user: Account,
    *,
    binds: Mapping[Path, str] | None = None,
    directory: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """The bwrap command line that runs `argv` inside a guest.

    Start it from a thread that lives as long as it may run: it dies with the thread that started it.

    Args:
        root: Folder of the guest.
        hostname: Host name that it sees.
        argv: What to run.
        user: Who runs it.
        binds: Folder of the machine -> where the guest sees it, read-only.
        directory: Where it runs; the user's home if None.
        environment: Variables beyond HOME, USER, LOGNAME, SHELL, PATH and LANG.
    """
    line = ["bwrap", "--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    line += ["--uid", str(user.uid), "--gid", str(user.gid), "--hostname", hostname]
    line += ["--proc", "/proc", "--dev", "/dev", "--ro-bind", "/sys", "/sys", *programs()]
    line += ["--ro-bind", str(OVERLAY), "/usr/local/sbin"]
    for name in OWN:
        line += ["--bind", str(root / name), f"/{name}"]
    for path in FROM_HOST:
        line += ["--ro-bind-try", path, path]
    for source, target in (binds or {}).items():
        line += ["--ro-bind", str(source), target]
    variables = {
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "SHELL": user.shell,
        "PATH": PATH,
        "LANG": "C.UTF-8",
        **(environment or {}),
    }
    line.append("--clearenv")
    for name, value in variables.items():
        line += ["--setenv", name, value]
    return [*line, "--chdir", directory or _home(root, user), "--", *argv]


def programs(top: str = "") -> list[str]:
    """bwrap's options for the machine's programs, read-only, in a root at `top` with a merged /usr."""
    line = ["--ro-bind", "/usr", f"{top}/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path("/usr", name).is_dir():
            line += ["--symlink", f"usr/{name}", f"{top}/{name}"]
    return line


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process without a thread, since hundreds may run side by side. Returns its exit code."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    with os.fdopen(os.pidfd_open(process.pid), "rb") as descriptor:
        loop.add_reader(descriptor, event.set)
        try:
            await event.wait()
        finally:
            loop.remove_reader(descriptor)
    return process.wait()


def _home(root: Path, user: Account) -> str:
    return user.home if (root / user.home.lstrip("/")).is_dir() else "/"
