"""Run a long command for a resource: show its output as it comes, keep only its last lines.

The output goes to standard error, which the engine shows as progress and does not keep in state.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ENGINE = "pulumi"
"""Name of the process that a resource's provider works for."""
ENGINE_WATCH = 0.5
"""Seconds between two looks whether it lives."""
CLEAN_UP = 60
"""Seconds that an interrupted command has to clean up."""
TAIL = 30
"""Lines of output that an error message quotes."""


class CommandError(Exception):
    """A command that ended with a non-zero code, with its last lines."""

    def __init__(self, what: str, code: int, tail: Iterable[str]) -> None:
        super().__init__("\n".join([f"{what} failed (exit code {code}); its last lines:", *tail]))


def _engine() -> Path | None:
    """The engine among this process's ancestors, as Linux shows it; None where there is none."""
    process = Path("/proc/self")
    try:
        while (process / "comm").read_text().strip() != ENGINE:
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            process = Path("/proc", parent)
    except OSError:
        return None
    return process


_ENGINE = _engine()


def abandoned() -> bool:
    """Whether the engine that this process worked for was killed: the next run may be at the same work by now."""
    return _ENGINE is not None and not _ENGINE.exists()


def show(line: str) -> None:
    """Show one line of progress."""
    with suppress(BrokenPipeError):  # The engine was killed: `_outlive` ends the command.
        print(line, file=sys.stderr, flush=True)


def run(
    what: str,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    progress: Callable[[str], str | None] = str,
    keep: Sequence[int] = (),
) -> None:
    """Run a command to its end.

    Args:
        what: What is run, for messages (`packer build`).
        argv: The command; no secrets, since anyone may read a process's arguments.
        cwd: Folder to run in.
        env: Added to this process's environment; the place for secrets.
        progress: Maps a line of output to what is shown, or to None to show nothing.
        keep: File descriptors that stay open in the command, such as that of a lock.

    Raises:
        CommandError: the command failed.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    with _process(argv, cwd, {**os.environ, **env}, keep) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.rstrip()
            if not line:
                continue
            tail.append(line)
            shown = progress(line)
            if shown is not None:
                show(shown)
    if process.returncode != 0:
        raise CommandError(what, process.returncode, tail)


@contextmanager
def _process(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], keep: Sequence[int]
) -> Iterator[subprocess.Popen[str]]:
    """A child in its own process group, so that an interruption here ends all that it started.

    So does a kill of the engine: its providers outlive it, and a Packer or Ansible that nobody waits for any more
    would work against the next run.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=keep,
        start_new_session=True,
    )
    threading.Thread(target=_outlive, args=(process,), daemon=True).start()
    with process:  # which waits for its end
        try:
            yield process
        except BaseException:
            _end(process, process.communicate)
            raise


def _outlive(process: subprocess.Popen[str]) -> None:
    """End the child if it outlives the engine."""
    while process.poll() is None:
        if abandoned():
            _end(process, process.wait)
        time.sleep(ENGINE_WATCH)


def _end(process: subprocess.Popen[str], wait: Callable[..., object]) -> None:
    """Interrupt first: Packer and Ansible clean up after themselves, and say so.

    `wait` reads on, unless somebody else does: a child whose output nobody reads blocks.
    """
    os.killpg(process.pid, signal.SIGINT)
    try:
        wait(timeout=CLEAN_UP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
