"""Checks that run side by side, each with a time limit of its own."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

LIMIT = 30.0
"""Seconds that one check may take."""


class CheckFailed(Exception):
    """What a check found wrong, for a person to read. It never holds a secret."""


@dataclass(frozen=True, eq=False)
class Check:
    """One thing to check."""

    name: str
    """Kind of check, such as `certificate`."""
    target: str
    """What it looks at: a zone, a URL, an address."""
    run: Callable[[], str | list[Check]]
    """Returns what it found in a few words, or the checks that stand in its place once it knows them.

    Raises `CheckFailed`.
    """


@dataclass(frozen=True)
class Result:
    """How one check ended."""

    name: str
    target: str
    passed: bool
    reason: str
    """What was found, or why it failed."""


Show = Callable[[Result, int], None]
"""Called with each result as it comes, and with how many checks still run."""


def run_all(checks: Sequence[Check], show: Show = lambda _result, _running: None, limit: float = LIMIT) -> list[Result]:
    """Run all checks at once.

    Args:
        checks: What to check.
        show: Told of progress.
        limit: Seconds that each check may take. One that takes longer fails and is left behind.

    Returns:
        The results in the order of `checks`, those that a check led to in its place.
    """
    run = _Run(limit)
    run.start(checks)
    while run.deadlines:
        check, outcome = run.next()
        if isinstance(outcome, list):
            run.start(outcome)
        else:
            show(outcome, len(run.deadlines))
        run.outcomes[check] = outcome
    return list(_flat(checks, run.outcomes))


Outcome = Result | list[Check]


class _Run:
    """The checks that run, and what came of the others."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadlines: dict[Check, float] = {}
        self.outcomes: dict[Check, Outcome] = {}
        self._ended: Queue[tuple[Check, Outcome]] = Queue()

    def start(self, checks: Sequence[Check]) -> None:
        for check in checks:
            self.deadlines[check] = time.monotonic() + self.limit
            # Daemons: a server that never answers must not keep the command from ending.
            threading.Thread(target=self._attempt, args=(check,), daemon=True).start()

    def next(self) -> tuple[Check, Outcome]:
        """The next check to end, well or not or by its time limit."""
        while True:
            first = min(self.deadlines, key=self.deadlines.__getitem__)
            try:
                check, outcome = self._ended.get(timeout=max(0.0, self.deadlines[first] - time.monotonic()))
            except Empty:
                check, outcome = first, _failed(first, f"no result within {self.limit:g} s")
            if self.deadlines.pop(check, None) is not None:  # else it ended after its time
                return check, outcome

    def _attempt(self, check: Check) -> None:
        try:
            found = check.run()
            outcome: Outcome = found if isinstance(found, list) else Result(check.name, check.target, True, found)
        except CheckFailed as failure:
            outcome = _failed(check, str(failure))
        except Exception as error:  # noqa: BLE001  # a defect of one check must not hide what the others found
            outcome = _failed(check, _defect(error))
        self._ended.put((check, outcome))


def _failed(check: Check, reason: str) -> Result:
    return Result(check.name, check.target, False, " ".join(reason.split()))


def _defect(error: Exception) -> str:
    """Where it happened. The error's own message may quote a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"a defect of the check itself: {type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"


def _flat(checks: Sequence[Check], outcomes: dict[Check, Outcome]) -> Iterator[Result]:
    for check in checks:
        outcome = outcomes[check]
        if isinstance(outcome, list):
            yield from _flat(outcome, outcomes)
        else:
            yield outcome
