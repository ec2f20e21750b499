"""Which schedules Longhorn's jobs may have: those that Longhorn's own parser takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from settings import Schedule


@pytest.mark.parametrize(
    "cron",
    [
        "0 1 * * *",
        "*/15 * * * *",
        "0 0-6/2 1,15 * 1-5",
        "59 23 31 12 6",
        "0 0 31 2 1",
        "0 0 29 2 *",
        "0 0 31 */2 *",
        "0 0 31 2,3 *",
    ],
)
def test_a_schedule_is_taken_as_it_is(cron: str) -> None:
    assert Schedule(cron=cron, retain=7).cron == cron


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 1 * *", "must be minute, hour, day of the month"),
        ("0 24 * * *", "24 for the hour, which must be * or numbers from 0 to 23"),
        ("30-10 1 * * *", "30-10 for the minute"),
        ("0 1 0 * *", "0 for the day of the month"),
        ("@daily 1 * * *", "@daily for the minute"),
        ("\N{ARABIC-INDIC DIGIT FOUR} 1 * * *", "for the minute"),
        ("0 0 31 2 *", "never comes: the months 2 have no day 31"),
        ("0 0 30-31 2 *", "never comes"),
        ("0 0 31 4,6,9-11/2 */2", "never comes"),
        ("*/0 1 * * *", "*/0 for the minute"),
    ],
)
def test_another_is_refused(cron: str, said: str) -> None:
    with pytest.raises(ValidationError, match="bad-cron") as refused:
        Schedule(cron=cron, retain=7)
    assert said in str(refused.value)
