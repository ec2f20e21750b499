"""The Debian installer of a VM that boots from the installation medium.

It does what a person would see: the typed boot line starts it, it fetches the preseed over HTTP from
the VM's own address, and either installs without a question or stops. Where the real one would show
a dialogue, this one raises `InstallError`, which names the question.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.proxmox import debian, preseed
from lab.proxmox.sandbox import FROM_HOST, OWN, programs

FETCH_TIMEOUT = 30.0
"""Seconds."""
COMMAND_TIMEOUT = 120.0
"""Seconds that `preseed/late_command` may take."""
SHIMS = Path(__file__).parent / "installer_commands"
"""Commands that only the installer's environment has: `target` holds those seen inside the new system."""

LABELS: Mapping[str, Mapping[str, str]] = {
    "auto": {"auto": "true", "priority": "critical"},
    "install": {},
}
"""Text-mode entries of the medium's boot menu -> parameters that they add."""

PARAMETERS = frozenset({"auto", "priority", "url", "hostname", "domain", "locale", "keymap", "interface"})
"""Parameters of the boot line that the lab knows, by their short names."""

_LONG_NAMES = {
    "auto-install/enable": "auto",
    "debconf/priority": "priority",
    "preseed/url": "url",
    "netcfg/get_hostname": "hostname",
    "netcfg/get_domain": "domain",
    "debian-installer/locale": "locale",
    "keyboard-configuration/xkb-keymap": "keymap",
    "netcfg/choose_interface": "interface",
}
_AS_ANSWERS = {
    "locale": "debian-installer/locale",
    "keymap": "keyboard-configuration/xkb-keymap",
    "interface": "netcfg/choose_interface",
}


class InstallError(Exception):
    """The installation stopped; the message says at what."""


@dataclass(frozen=True)
class Installed:
    """A system that is ready to boot."""

    agent: bool
    """Whether the QEMU guest agent was installed."""
    packages: frozenset[str]
    hostname: str


async def install(boot_line: str, root: Path, source_address: str) -> Installed:
    """Install Debian below `root`, which is empty (or absent) before and after a failure.

    Args:
        boot_line: What was typed at the `boot:` prompt.
        root: Folder that becomes the guest's file system.
        source_address: The VM's own address, which the preseed is fetched from.

    Raises:
        InstallError: the real installer would stop and wait for a person.
    """
    try:
        return await asyncio.to_thread(_install, boot_line, root, source_address)
    except preseed.PreseedError as error:
        raise InstallError(str(error)) from None


def parse_boot_line(line: str) -> dict[str, str]:
    """Parameters of a boot line, by their short names, with those that its label adds.

    Raises:
        InstallError: the boot loader would not start an unattended installation.
    """
    label, *words = line.split() or [""]
    if not label:
        raise InstallError("the menu's default entry was started: the graphical installer waits for a person")
    if label not in LABELS:
        raise InstallError(f"Could not find kernel image: {label} (the lab knows {', '.join(LABELS)})")
    parameters = dict(LABELS[label])
    for word in words:
        name, separator, value = word.partition("=")
        name = _LONG_NAMES.get(name, name)
        if word in ("---", "--", "quiet"):
            continue
        if name not in PARAMETERS or not separator:
            raise InstallError(f"the lab's installer does not model the boot parameter {word!r}")
        parameters[name] = value
    return parameters


def _install(boot_line: str, root: Path, source_address: str) -> Installed:
    parameters = parse_boot_line(boot_line)
    if parameters.get("priority") != "critical":
        raise InstallError("it asks questions of high priority: say `auto`, or priority=critical")
    if parameters.get("auto") != "true" and "locale" not in parameters:
        raise InstallError("it asks debian-installer/language before the network is up: say `auto`, or locale=")
    if "url" not in parameters:
        raise InstallError("it has no preseed: say url=http://...")
    text = fetch(parameters["url"], source_address)
    answers = {_AS_ANSWERS[name]: value for name, value in parameters.items() if name in _AS_ANSWERS}
    plan = preseed.plan(
        preseed.parse(text) | answers,
        hostname=parameters.get("hostname", "debian"),
        domain=parameters.get("domain", ""),
    )
    try:
        debian.populate(root, plan)
        if plan.late_command:
            _run_late_command(root, plan.late_command)
    except BaseException:
        _empty(root)
        raise
    packages = plan.packages | debian.BASE.keys()
    return Installed(agent="qemu-guest-agent" in packages, packages=packages, hostname=plan.hostname)


def fetch(url: str, source_address: str) -> str:
    """Fetch the preseed as the VM would, from its own address.

    Raises:
        InstallError: it cannot be had.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not parts.path:
        raise InstallError(f"url={url}: the lab's installer reads http://HOST[:PORT]/PATH only")
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port or 80, timeout=FETCH_TIMEOUT, source_address=(source_address, 0)
    )
    try:
        connection.request("GET", parts.path, headers={"User-Agent": "debian-installer"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise InstallError(f"Failed to retrieve the preconfiguration file {url}: {error}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise InstallError(f"Failed to retrieve the preconfiguration file {url}: {response.status} {response.reason}")
    return body.decode()


def _run_late_command(root: Path, command: str) -> None:
    """Run it as the installer does: the new system is at /target, and `in-target` changes into it.

    Raises:
        InstallError: with the command's last lines.
    """
    try:
        result = subprocess.run(
            [*_environment(root), "sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"preseed/late_command did not end within {COMMAND_TIMEOUT:.0f} s") from None
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-5:])
        raise InstallError(f"preseed/late_command failed with code {result.returncode}: {tail}")


def _environment(root: Path) -> list[str]:
    """The bwrap command line of the installer's environment."""
    line = ["bwrap", "--die-with-parent", "--unshare-all", "--uid", "0", "--gid", "0", "--cap-add", "CAP_SYS_CHROOT"]
    line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - inside the sandbox
    for top in ("", "/target"):
        line += programs(top)
    for name in OWN:
        line += ["--bind", str(root / name), f"/target/{name}"]
    for path in FROM_HOST:
        line += ["--ro-bind-try", path, path, "--ro-bind-try", path, f"/target{path}"]
    line += ["--dev", "/target/dev", "--proc", "/target/proc"]
    line += ["--ro-bind", str(SHIMS), "/usr/local/sbin", "--ro-bind", str(SHIMS / "target"), "/target/usr/local/sbin"]
    path = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    return [*line, "--clearenv", "--setenv", "PATH", path, "--setenv", "HOME", "/root", "--chdir", "/", "--"]


def _empty(root: Path) -> None:
    for path in root.iterdir() if root.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
