"""Start, watch and end one background process of the lab.

A service is a detached process with a log and a record (`<home>/<name>.json`: pid and start time, so
that a recycled pid is never taken for it). It is ended by that pid, with all that it started.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lab.layout import REPOSITORY
from lab.services.identity import started

LOG_TAIL = 15
"""Lines of a dead service's log that a report quotes."""
POLL = 0.05
"""Seconds between two looks at a starting service."""


class ServiceError(Exception):
    """A service that did not start, or died; the message quotes its log."""


@dataclass(frozen=True)
class Service:
    """One background process."""

    name: str
    argv: Sequence[str]
    home: Path
    """Private folder for the record and the log."""
    ready: Callable[[], bool]
    """True once the service answers."""
    env: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 120.0
    """Seconds."""

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def record(self) -> Path:
        return self.home / f"{self.name}.json"

    def process(self) -> psutil.Process | None:
        """The running process, or None."""
        try:
            record = json.loads(self.record.read_text())
            return psutil.Process(record["pid"]) if started(record["pid"]) == record["started"] else None
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None

    def start(self) -> bool:
        """Start the service unless it runs; one that was started otherwise is ended first.

        Returns:
            True if it was started.

        Raises:
            ServiceError: it ended, or did not answer in time.
        """
        process = self.process()
        if process is not None:
            if process.cmdline()[1:] == list(self.argv[1:]):
                return False
            self.stop()
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                self.argv,
                cwd=REPOSITORY,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.record.write_text(json.dumps({"pid": child.pid, "started": started(child.pid)}))
        try:
            self._await(child)
        finally:
            # A service outlives who started it: that nobody waits for it is no leak for Popen to warn of.
            child.returncode = child.returncode or 0
        return True

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not self.ready():
            if child.poll() is not None:
                raise ServiceError(self.obituary())
            if time.monotonic() > deadline:
                self.stop()
                raise ServiceError(f"{self.name} did not answer within {self.start_timeout:.0f} s.{self.tail()}")
            time.sleep(POLL)

    def stop(self) -> None:
        """End the service and all that it started; nothing to do if it does not run."""
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            process.terminate()
            psutil.wait_procs([process], timeout=15)
            # What a service leaves behind when it must be killed, or forgets, goes too.
            for member in family:
                if member.is_running():
                    member.kill()
            psutil.wait_procs(family, timeout=5)
        self.record.unlink(missing_ok=True)

    def died(self) -> bool:
        """True if it was started, not stopped, and does not run any more."""
        return self.record.exists() and self.process() is None

    def obituary(self) -> str:
        """What to tell a person about a dead service."""
        return f"{self.name} died.{self.tail()}"

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if self.log.exists() else []
        return "".join(f"\n  {line}" for line in [f"Last lines of {self.log}:", *lines])
