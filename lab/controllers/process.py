"""Programs that a controller keeps running, each in a sandbox that takes all of it along when it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

_BACKOFF_FIRST: Final = 0.5
_BACKOFF_MAX: Final = 20.0
"""Seconds before a program that ended starts again; doubled each time."""
_STABLE: Final = 60.0
"""Seconds after which a program that ends is no longer failing from its start."""
_STOP_SECONDS: Final = 10.0
"""Between SIGTERM and SIGKILL."""
_START_SECONDS: Final = 30.0
"""That a server may take to have workers."""
_LOOK_SECONDS: Final = 0.1
"""Between two looks at a program that starts or ends."""
_TAIL: Final = 5
"""Lines of a program's log that are quoted when it ends."""

_log = logging.getLogger(__name__)


def sandbox(uid: int, options: Sequence[str], command: Sequence[str]) -> list[str]:
    """The bubblewrap command line for a program.

    Its process namespace ends with it, and with the thread that started it: a worker process of a
    server cannot stay behind. The program sees itself as `uid`; outside it is whoever runs the lab.

    Args:
        uid: User that the program sees itself as.
        options: What it sees of the file system, in bubblewrap's words.
        command: The program and its arguments.
    """
    user = ["--unshare-user", "--uid", str(uid), "--gid", str(uid)]
    return ["bwrap", "--die-with-parent", "--unshare-pid", *user, *options, "--", *command]


class Daemon:
    """A program that starts again whenever it ends, until `stop`.

    Args:
        name: In the log.
        argv: A command line made by `sandbox`.
        log: File that its output is appended to.
        env: Its environment, beyond PATH; it may hold secrets.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._argv = argv
        self._log_file = log
        self._env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        # The sandbox ends with the thread that starts it, so that thread must live as long.
        self._thread = threading.Thread(target=self._keep, name=name)
        self._thread.start()

    def reload(self) -> None:
        """Have a server read its configuration again (SIGHUP), and wait until only that one is served.

        One that ended starts again at once. It is told once it has workers: nginx takes a signal before
        that, and forgets it. Workers of before answer beside the new ones until they stop listening.
        """
        self._wake.set()
        deadline = time.monotonic() + _START_SECONDS
        while not (workers := self._workers()) and self._running() and time.monotonic() < deadline:
            self._over.wait(_LOOK_SECONDS)
        self._signal(signal.SIGHUP)
        while any(map(_listens, workers)) and time.monotonic() < deadline:
            self._over.wait(_LOOK_SECONDS)

    def stop(self) -> None:
        """End the program: SIGTERM, and SIGKILL if that is not enough."""
        with self._lock:
            self._over.set()
        self._wake.set()
        deadline = time.monotonic() + _STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._signal(signal.SIGTERM)
            self._thread.join(_LOOK_SECONDS)
        if self._process is not None and self._thread.is_alive():
            self._process.kill()
        self._thread.join()

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for program in self._programs():
                program.send_signal(number)

    def _programs(self) -> list[psutil.Process]:
        """The program itself: the child of its namespace's first process, which the sandbox starts."""
        if self._process is None:
            return []
        try:
            return [each for first in psutil.Process(self._process.pid).children() for each in first.children()]
        except psutil.NoSuchProcess:
            return []

    def _workers(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [worker for program in self._programs() for worker in program.children()]
        return []

    def _keep(self) -> None:
        delay = _BACKOFF_FIRST
        while True:
            started = time.monotonic()
            self._wake.clear()
            code = self._run()
            if self._over.is_set():
                return
            tail = self._log_file.read_text(errors="replace").splitlines()[-_TAIL:]
            _log.warning("%s ended with code %s; its last lines:%s", self.name, code, "".join(f"\n  {x}" for x in tail))
            if time.monotonic() - started > _STABLE:
                delay = _BACKOFF_FIRST
            self._wake.wait(delay)
            delay = min(delay * 2, _BACKOFF_MAX)

    def _run(self) -> int | None:
        """Run the program to its end."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._log_file.open("ab") as output:
            with self._lock:
                if self._over.is_set():
                    return None
                self._process = subprocess.Popen(
                    self._argv,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            return self._process.wait()


def _listens(worker: psutil.Process) -> bool:
    """Whether a process takes connections."""
    try:
        return any(each.status == psutil.CONN_LISTEN for each in worker.net_connections("tcp"))
    except psutil.Error:  # it is gone, or this user may not look
        return False
