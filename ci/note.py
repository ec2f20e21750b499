"""What a note says, whoever reads it where: a table, what is lost, then each site with its changes.

`markdown` and `terminal` put it into form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ci.changes import Change, ChangeSet, Kind

COLUMNS: Final = ("site", *(kind.value for kind in Kind), "unchanged")
VERBS: Final = {Kind.CREATE: "create", Kind.UPDATE: "update", Kind.REPLACE: "replace", Kind.DELETE: "delete"}
DRIFT_VERBS: Final = {**VERBS, Kind.UPDATE: "differs", Kind.DELETE: "is gone"}
"""What the words of a refresh mean."""


@dataclass(frozen=True)
class Note:
    """What is said of some previews."""

    title: str
    sets: Sequence[ChangeSet]
    verbs: dict[Kind, str]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table below `COLUMNS`."""
        return [_row(each) for each in self.sets]

    @property
    def losses(self) -> list[str]:
        """What is lost, for all sites: it comes first."""
        return [
            f"{each.site}: {self.verbs[change.kind]} {change.noun.word} {change.name}: {change.loss}"
            for each in self.sets
            for change in each.losses
        ]

    @property
    def refused(self) -> list[str]:
        """What the brake refuses."""
        return [text for each in self.sets for text in each.refused]

    def headline(self, change: Change) -> str:
        """One line about a change, without the marks of a form."""
        forced = f", forced by {', '.join(change.forced_by)}" if change.forced_by else ""
        return f"{self.verbs[change.kind]} {change.noun.word} {change.name}{forced}"

    def summary(self, changes: ChangeSet) -> str:
        """One line about a site."""
        if changes.skipped:
            return f"{changes.site}: not previewed, nothing that it is made from has changed"
        if changes.errors:
            return f"{changes.site}: the preview failed"
        numbers = [f"{changes.count(kind)} to {kind}" for kind in Kind if changes.count(kind)]
        numbers += [f"{changes.unnamed} more that the engine counts and does not name"] * bool(changes.unnamed)
        return f"{changes.site}: {', '.join(numbers) or 'no changes'}"


def preview(sets: Sequence[ChangeSet], revision: str = "") -> Note:
    """The note on a merge request."""
    return Note(f"Preview of {revision}" if revision else "Preview", sets, VERBS)


def drift(found: ChangeSet) -> Note:
    """What a refresh has found of one site."""
    return Note("What is there differs from the state", [found], DRIFT_VERBS)


def pending(planned: ChangeSet) -> Note:
    """What the program says and the site is not yet."""
    return Note("What was merged is not brought about", [planned], VERBS)


def _row(changes: ChangeSet) -> tuple[str, ...]:
    if changes.skipped or changes.errors:
        return (changes.site, *["-"] * len(Kind), "skipped" if changes.skipped else "failed")
    numbers = [changes.count(kind) for kind in Kind]
    return (changes.site, *(str(number or "-") for number in numbers), str(changes.unchanged))
