"""Drift: what is there is not what the state says, or the state is not what the program says. Nothing is written.

The first is somebody's hand on Proxmox VE, in the cluster or on the name server; the second a change that was merged
and not yet brought about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ci import markdown, note, renewal
from ci.changes import ChangeSet
from ci.engine import Stack
from ci.note import Note


@dataclass(frozen=True)
class Drift:
    """What was found of one site."""

    real: ChangeSet
    """From what the state says to what is there."""
    pending: ChangeSet
    """From the state to what the program says."""

    @property
    def failed(self) -> bool:
        """Whether the site could not be looked at."""
        return bool(self.real.errors or self.pending.errors)

    @property
    def is_clean(self) -> bool:
        """Whether there is none."""
        return not (self.failed or self.real.differs or self.pending.differs)

    @property
    def notes(self) -> Iterator[Note]:
        """What to report."""
        if self.real.differs or self.real.errors:
            yield note.drift(self.real)
        if self.pending.differs or self.pending.errors:
            yield note.pending(self.pending)

    def report(self, link: str = "") -> str:
        """For an issue, Markdown; empty where there is no drift."""
        each = [markdown.render(one, link, markdown.LIMIT // 2 - 10) for one in self.notes]
        return "\n\n".join(each)


def look(stack: Stack) -> Drift:
    """Compare what is there with the state, and the state with the program."""
    found, code = stack.look()
    real = ChangeSet.of(stack.site, found, failed=code != 0)
    # Nobody has laid hands on a certificate that is due: the preview says so.
    real = replace(real, changes=tuple(each for each in real.changes if not renewal.is_renewal(each)))
    planned, code = stack.run("preview", "--expect-no-changes")
    # Its code says that there are changes, or that it failed.
    pending = ChangeSet.of(stack.site, planned, failed=code != 0 and "steps" not in planned)
    return Drift(real, pending)
