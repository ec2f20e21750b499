"""What the bench makes of its pairs of runs."""

from __future__ import annotations

import pytest

from lab.peers.compare import Cost
from lab.peers.zones import Pair, pairs


class Clock:
    """A zone on a machine that takes a second longer at each run."""

    now = 0.0

    def __init__(self, own: float) -> None:
        self.own = own
        self.declared: list[str] = []

    def declare(self, address: str) -> None:
        self.declared.append(address)

    def up(self) -> float:
        Clock.now += 1
        return Clock.now + self.own

    def remove(self) -> None:
        self.declared.append("removed")


def test_a_machine_that_slows_down_adds_nothing_to_the_own_cost() -> None:
    empty, full = Clock(0), Clock(0.25)
    turns = [pairs(empty, full, empty_first=number % 2 == 0) for number in range(10)]
    assert full.declared == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "removed"] * 10
    for row in zip(*turns, strict=True):
        assert Cost.of(row).own == pytest.approx(0.25)


def test_a_run_that_was_held_up_does_not_count() -> None:
    held_up = Pair(1.0, 9.0)
    cost = Cost.of([held_up, *[Pair(1.0, 1.5)] * 3, Pair(9.0, 1.5)])
    assert (cost.empty, cost.full, cost.own, cost.quartiles) == (1.0, 1.5, 0.5, (0.5, 0.5))
