"""The processes that the tests see."""

from __future__ import annotations

import psutil


def arguments(process: psutil.Process) -> str:
    """Its command line; nothing of one that has ended, whether or not somebody has waited for it."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # which a zombie is, too
        return ""
