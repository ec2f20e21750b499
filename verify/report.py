"""What the command prints: progress on stderr, the table on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from verify.checks import Result

HEADER = ("CHECK", "TARGET", "RESULT", "REASON")


class Progress:
    """Shows each check as it ends: one line that changes on a terminal, one line each elsewhere."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._terminal = stream.isatty()

    def show(self, result: Result, running: int) -> None:
        """Show a result, and how many checks still run."""
        line = f"{_mark(result)}  {result.name}  {result.target}  ({running} more running)"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{line}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def end(self) -> None:
        """Take the changing line away."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def table(results: Sequence[Result]) -> str:
    """The results as aligned columns."""
    rows = [HEADER, *((result.name, result.target, _mark(result), result.reason) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _mark(result: Result) -> str:
    return "pass" if result.passed else "FAIL"
