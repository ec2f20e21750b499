"""Which process a pid means: a pid alone may have been given to another process since."""

from __future__ import annotations

from pathlib import Path

START_TIME = 19
"""Index of `starttime` among the fields after the command's name (proc(5), field 22)."""


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none.

    Not in seconds of the wall clock: that one is adjusted while the machine runs.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in brackets and may hold anything, brackets and spaces included.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(rest[START_TIME - 1])
