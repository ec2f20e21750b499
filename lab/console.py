"""What the lab's commands print: stages with their time, tables, errors.

Progress and errors go to stderr, so that stdout holds only what a command is asked for (`make -s env`).
On a terminal the running stages show their elapsed time; elsewhere they print plain lines, at least one
every `HEARTBEAT` seconds, so that a CI log never stands still.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

HEARTBEAT = 15.0
"""Seconds between two lines of a running stage where there is no terminal."""

_stdout = Console(highlight=False, soft_wrap=True)
_stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`12.3 s` below a minute, then `4 min 05 s`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class Stage:
    """One running step."""

    def __init__(self, name: str, detail: Callable[[], str], *, streams: bool, depth: int) -> None:
        self.name = name
        self.streams = streams
        self._detail = detail
        self._indent = "  " * depth
        self._started = time.monotonic()
        self._ended: float | None = None

    @property
    def seconds(self) -> float:
        """Time that it has taken so far, or in all once it has ended."""
        return (self._ended or time.monotonic()) - self._started

    def end(self) -> None:
        self._ended = time.monotonic()

    def running(self) -> str:
        """Where it stands, in one line."""
        detail = self._detail()
        return f"{self._indent}▸ {self.name} … {duration(self.seconds)}" + (f" ({detail})" if detail else "")

    def started(self) -> str:
        return f"{self._indent}▸ {self.name}"

    def done(self, mark: str) -> str:
        return f"{self._indent}{mark} {self.name}  {duration(self.seconds)}"


class _Display:
    """Shows the running stages, innermost last; stands back while one of them prints lines of its own."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._live: Live | None = None
        self._quiet: threading.Event | None = None

    def push(self, stage: Stage) -> None:
        if stage.streams or not _stderr.is_terminal:
            self._pause()
            note(stage.started())
        self.stages.append(stage)
        self._resume()

    def pop(self, mark: str, style: str) -> None:
        stage = self.stages.pop()
        stage.end()
        self._pause()
        _stderr.print(Text(stage.done(mark), style=style))
        self._resume()

    def _pause(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        if self._quiet:
            self._quiet.set()
            self._quiet = None

    def _resume(self) -> None:
        if not self.stages or any(stage.streams for stage in self.stages):
            return
        if not _stderr.is_terminal:
            self._pause()
            self._quiet = threading.Event()
            threading.Thread(target=_beat, args=(self.stages[-1], self._quiet), daemon=True).start()
        elif self._live is None:
            self._live = Live(get_renderable=self._render, console=_stderr, transient=True, refresh_per_second=4)
            self._live.start()

    def _render(self) -> Group:
        lines = [Text(stage.running(), style="cyan", no_wrap=True, overflow="ellipsis") for stage in self.stages]
        return Group(*lines)


def _beat(stage: Stage, quiet: threading.Event) -> None:
    while not quiet.wait(HEARTBEAT):
        note(stage.running())


_display = _Display()


@contextmanager
def stage(name: str, *, detail: Callable[[], str] = lambda: "", streams: bool = False) -> Iterator[Stage]:
    """Show a step while it runs, and its time once it has ended. Stages may be nested.

    Args:
        name: What is done, such as `golden image`.
        detail: Asked again and again for what goes on, such as `about 3 min left`.
        streams: The step prints lines of its own: nothing is drawn or printed between them.
    """
    current = Stage(name, detail, streams=streams, depth=len(_display.stages))
    _display.push(current)
    try:
        yield current
    except BaseException:
        _display.pop("✗", "red")
        raise
    _display.pop("✓", "green")


def note(message: str) -> None:
    """A line of progress, on stderr."""
    _stderr.print(Text(message))


def error(message: str) -> None:
    """What is wrong and what to do about it, on stderr."""
    _stderr.print(Text.assemble(("error: ", "bold red"), message))


def line(message: str) -> None:
    """A line of what the command was asked for, on stdout."""
    _stdout.print(Text(message))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; aligned plain columns where there is no terminal. Cells may hold several lines."""
    cells = [[str(cell) for cell in row] for row in rows]
    if _stdout.is_terminal:
        drawn = Table(*columns, title=title, title_justify="left", title_style="bold", header_style="bold")
        for row in cells:
            drawn.add_row(*map(Text, row))
        _stdout.print(drawn)
        return
    plain = [tuple(columns)]
    for row in cells:
        plain += zip_longest(*(cell.splitlines() for cell in row), fillvalue="")
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    line(f"\n{title}")
    for texts in plain:
        line("  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip())
