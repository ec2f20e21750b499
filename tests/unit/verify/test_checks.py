"""The runner of checks."""

from __future__ import annotations

import threading

import pytest

from verify.checks import Check, CheckFailed, Result, run_all


def failing(reason: str) -> str:
    raise CheckFailed(reason)


def test_results_come_in_the_order_of_the_checks_not_in_that_of_their_ends() -> None:
    second_ended = threading.Event()

    def first() -> str:
        assert second_ended.wait(10)
        return "slow"

    def second() -> str:
        second_ended.set()
        return "quick"

    shown: list[Result] = []
    results = run_all([Check("a", "x", first), Check("b", "y", second)], lambda result, _: shown.append(result))
    assert results == [Result("a", "x", True, "slow"), Result("b", "y", True, "quick")]
    assert sorted(shown, key=results.index) == results


def test_a_check_may_lead_to_others_which_take_its_place() -> None:
    inner = [Check("b", "1", lambda: "fine"), Check("b", "2", lambda: failing("bad\n  news"))]
    results = run_all([Check("b", "all", lambda: inner), Check("c", "x", lambda: "fine")])
    assert results == [
        Result("b", "1", True, "fine"),
        Result("b", "2", False, "bad news"),
        Result("c", "x", True, "fine"),
    ]


def test_a_check_that_hangs_fails_alone() -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "too late"

    results = run_all([Check("a", "x", hang), Check("b", "y", lambda: "fine")], limit=0.2)
    release.set()
    assert results == [Result("a", "x", False, "no result within 0.2 s"), Result("b", "y", True, "fine")]


def test_a_defect_is_a_failure_that_says_where_and_shows_no_value() -> None:
    results = run_all([Check("a", "x", lambda: {"other": "fine"}["s3cret"])])
    assert not results[0].passed
    assert "KeyError in test_checks.py, line " in results[0].reason
    assert "s3cret" not in results[0].reason


@pytest.mark.parametrize("checks", [[], [Check("a", "x", list)]])
def test_nothing_to_check(checks: list[Check]) -> None:
    assert run_all(checks) == []
