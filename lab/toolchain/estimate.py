"""How much is left of a series of builds, from what the manifest measured and what this machine took so far."""

from __future__ import annotations

import time
from collections.abc import Sequence

_ALMOST = 5.0


class Estimate:
    """Progress through steps whose usual seconds are known."""

    def __init__(self, seconds: Sequence[float]) -> None:
        """
        Args:
            seconds: What each step takes on the machine where it was measured.
        """
        self._expected = list(seconds)
        self._index = -1
        self._started = 0.0
        self._spent = 0.0
        self._measured = 0.0

    def begin(self) -> None:
        """The next step starts."""
        self._index += 1
        self._started = time.monotonic()

    def end(self, *, typical: bool) -> None:
        """The current step is done.

        Args:
            typical: It was of the kind that was measured, so that it tells how fast this machine is.
        """
        if typical:
            self._spent += time.monotonic() - self._started
            self._measured += self._expected[self._index]

    def left(self) -> float:
        """Seconds until the last step is done."""
        # The first few seconds of measurement say little: start from a machine like the measured one.
        pace = (self._spent + 30) / (self._measured + 30)
        current = pace * self._expected[self._index] - (time.monotonic() - self._started)
        return max(current, 0) + pace * sum(self._expected[self._index + 1 :])

    def __str__(self) -> str:
        left = self.left()
        if left < _ALMOST:
            return "almost done"
        return f"about {round(left)} s left" if left < 90 else f"about {round(left / 60)} min left"
