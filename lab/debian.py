"""Debian packages: installed when root, named otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
"""Where Debian puts servers; not on the PATH of a user who is not root."""

_POLICY = Path("/usr/sbin/policy-rc.d")
_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_LAST_LINES = 10


class PackageError(Exception):
    """Packages cannot be installed. The message says what to do."""


def install(packages: Sequence[str], services: Sequence[str] = ()) -> None:
    """Install packages and leave none of their services running or enabled.

    Args:
        packages: Names; the ones that are there already are left alone.
        services: systemd units of these packages: the lab runs its own servers.

    Raises:
        PackageError: not root, not Debian, or apt-get failed.
    """
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise PackageError(f"these are missing, and there is no apt-get here: install what Debian calls {names}")
    if os.geteuid() != 0:
        raise PackageError(f"Debian packages are missing. Run this, then try again:\n  sudo apt-get install {names}")
    command = ["install", "--yes", "--no-install-recommends", *packages]
    with _no_service_starts():
        # Lists may be empty (a fresh container) or old: fetch them where the first try fails.
        if _apt_get(command).returncode:
            _apt_get(["update"])
            result = _apt_get(command)
            if result.returncode:
                last = "\n".join(result.stdout.decode(errors="replace").splitlines()[-_LAST_LINES:])
                raise PackageError(f"apt-get install {names} failed:\n{last}")
    if services and shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", *services], capture_output=True, check=False)


def owns(path: Path) -> bool:
    """True if a Debian package brought this file."""
    if not path.is_relative_to("/usr") or shutil.which("dpkg-query") is None:
        return False
    return subprocess.run(["dpkg-query", "--search", path], capture_output=True, check=False).returncode == 0


def _apt_get(arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["apt-get", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_APT},
        check=False,
    )


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Deny service starts while packages are installed (Debian Policy 9.3.3.1), unless a policy exists."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
