"""The services of a guest that systemd would run: those that its `systemctl` asks for (`overlay/systemctl`).

A unit is a process in the guest's sandbox, which counts as started once it has lived for a moment. What this does not
do: dependencies, drop-ins, restarts of what died, timers, other units.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

POLL = 0.1
"""Seconds between two looks at what is wanted."""
SETTLED = 1.0
"""Seconds that a process has to live to count as started."""
WANTED = "run/units"
ENABLED = "etc/systemd/system/multi-user.target.wants"
COMMANDS: Mapping[str, Sequence[str]] = {
    "nfs-server": ("sh", "-c", "exportfs -ra && exec rpc.nfsd {address}"),
    # As Debian's unit.
    "pdns": ("pdns_server", "--guardian=no", "--daemon=no", "--disable-syslog", "--log-timestamp=no", "--write-pid=no"),
}


class Guest(Protocol):
    """What units need of the guest that they run in."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def root(self) -> Path: ...

    def wrap(self, argv: Sequence[str]) -> list[str]: ...


@dataclass
class Unit:
    """One unit of one guest."""

    name: str
    guest: Guest
    generation: str = ""
    """The last wish that was looked at."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return self.guest.root / "var/log" / f"{self.name}.log"

    def file(self, kind: str) -> Path:
        return self.guest.root / WANTED / f"{self.name}.{kind}"

    async def sync(self) -> None:
        """Do what is newly wanted, and notice a process that has died."""
        wish, generation = (self.file("wanted").read_text().split() if self.file("wanted").exists() else ("", ""))[:2]
        if generation != self.generation:
            self.generation = generation
            self.stop()
            if wish == "start":
                await self._start()
            else:
                self._report("inactive")
        elif self.process and self.process.poll() is not None:
            self.process = None
            self._report("failed", f"it ended: {self._last_line()}")

    async def _start(self) -> None:
        process = self.process = self._spawn()
        await asyncio.sleep(SETTLED)
        if process.poll() is None:
            self._report("active")
        else:
            self.process = None
            self._report("failed", self._last_line())

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process, from the loop's thread: the sandbox dies with the thread that started it."""
        argv = self.guest.wrap([word.format(address=self.guest.address) for word in COMMANDS[self.name]])
        self.log.parent.mkdir(parents=True, exist_ok=True)
        (self.guest.root / "run" / self.name).mkdir(exist_ok=True)  # RuntimeDirectory= of Debian's units
        with self.log.open("ab") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> None:
        """End the process; the sandbox takes with it what runs inside."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _report(self, state: str, reason: str = "") -> None:
        partial = self.file("new")
        partial.write_text(f"{state} {self.generation} {reason}\n")
        partial.rename(self.file("state"))
        print(f"{self.guest.name}: {self.name}.service is {state} {reason}", file=sys.stderr, flush=True)

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")


async def run(guest: Guest) -> None:
    """Start what is enabled, then do what is wanted until cancelled; then end all of it."""
    units = [Unit(name, guest) for name in COMMANDS]
    folder = guest.root / WANTED
    folder.mkdir(parents=True, exist_ok=True)
    for unit in units:
        if (guest.root / ENABLED / f"{unit.name}.service").is_symlink():
            unit.file("wanted").write_text("start 1\n")
    try:
        while True:
            for unit in units:
                await unit.sync()
            await asyncio.sleep(POLL)
    finally:
        for unit in units:
            unit.stop()
