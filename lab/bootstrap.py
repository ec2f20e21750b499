"""Makes the virtual environment that everything else runs in: `python3 -m lab.bootstrap`.

Runs on the system's Python before anything is installed, so it needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from lab import debian

OLDEST = (3, 11)
_HANDLED = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
_NEWS = 10.0
"""Seconds between two lines of progress."""


class SetupError(Exception):
    """The environment cannot be made. The message says what to do."""


def main() -> int:
    """Create or update the environment; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the virtual environment")
    parser.add_argument("requirements", type=Path, help="every package with its version and hashes")
    arguments = parser.parse_args()
    try:
        make(arguments.folder, arguments.requirements)
    except (SetupError, debian.PackageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make(folder: Path, requirements: Path) -> None:
    """Create the environment if need be, and install the requirements into it.

    Raises:
        SetupError: this Python is too old, or pip failed.
        PackageError: it is incomplete, and only root can install the rest.
    """
    if sys.version_info < OLDEST:
        raise SetupError(
            f"Python {sys.version.split()[0]} ({sys.executable}) is too old: 3.11 or newer is needed. "
            "Name another one: make PYTHON=/usr/bin/python3.11 …"
        )
    if find_spec("ensurepip") is None:
        debian.install(["python3-venv"])
    created = subprocess.run([sys.executable, "-m", "venv", folder], stdout=sys.stderr, check=False)
    if created.returncode:
        raise SetupError(f"{sys.executable} could not make a virtual environment in {folder}: see above")
    _install(folder, requirements)


def _install(folder: Path, requirements: Path) -> None:
    total = sum(line[:1].isalnum() for line in requirements.read_text().splitlines())
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--progress-bar=off"]
    started = news = time.monotonic()
    handled: set[str] = set()
    said: list[str] = []
    print(f"▸ Python packages into {folder} (a minute or two at first)", file=sys.stderr)
    with subprocess.Popen(
        [*pip, "--require-hashes", "-r", str(requirements)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            handled.update(_HANDLED.findall(line))
            installs = line.startswith("Installing collected")
            if installs or time.monotonic() - news > _NEWS:
                news = time.monotonic()
                step = "all fetched, installing" if installs else f"{len(handled)} of {total} fetched"
                print(f"  {step}, {news - started:.0f} s", file=sys.stderr)
    if process.returncode:
        raise SetupError(f"pip could not install {requirements}:\n{''.join(said[-10:])}")
    print(f"✓ Python packages  {time.monotonic() - started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
