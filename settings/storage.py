"""The section of a stack file that describes how volumes are kept."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from settings.fields import refuse
from settings.models import Model

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6))


_LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Last day of each month, February's in a leap year."""


def _cron(value: str) -> str:
    parts = value.split()
    if len(parts) != len(_FIELDS):
        refuse("bad-cron", "must be minute, hour, day of the month, month and day of the week, such as 30 1 * * *")
    for part, (name, first, last) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            found = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?", item)
            numbers = [int(number) for number in found.group(1, 2) if number] if found else [-1]
            if numbers != sorted(numbers) or not all(first <= number <= last for number in numbers):
                refuse("bad-cron", f"has {item} for the {name}, which must be * or numbers from {first} to {last}")
    _, _, days, months, weekdays = parts
    # Where both kinds of days are named, either will do.
    if weekdays.startswith("*") and min(_numbers(days, 31)) > max(
        _LAST_DAYS[month - 1] for month in _numbers(months, 12)
    ):
        refuse("bad-cron", f"never comes: the months {months} have no day {days}")
    return value


def _numbers(part: str, last: int) -> set[int]:
    """The days or months, 1 to `last`, that a field of a cron line names."""
    found: set[int] = set()
    for item in part.split(","):
        span, _, step = item.partition("/")
        first, _, end = span.replace("*", f"1-{last}").partition("-")
        found.update(range(int(first), int(end or (last if step else first)) + 1, int(step or 1)))
    return found


class Schedule(Model):
    """A recurring job of Longhorn, for every volume that names none of its own."""

    cron: Annotated[str, AfterValidator(_cron)]
    """When: five fields, in UTC."""
    retain: Annotated[int, Field(ge=1, le=100)]
    """How many are kept of each volume. Longhorn's own limit is 100."""


class Storage(Model):
    """Copies of the volumes."""

    snapshots: Schedule = Schedule(cron="0 1 * * *", retain=7)
    """On the volume's own replicas."""
    backups: Schedule = Schedule(cron="30 3 * * *", retain=14)
    """In the backup store; there are none without one. By default when Authentik's dump, from 02:17 on, has ended."""
