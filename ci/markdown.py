"""A note as GitLab's Markdown.

All that comes from a program or a server stands in code: GitLab would take a line that begins with a slash for a quick
action, `/merge` say, and carry it out with the rights of whoever posts the note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ci import differences
from ci.changes import Change, ChangeSet
from ci.note import COLUMNS, Note

LIMIT: Final = 1_000_000
"""Characters of a note or a description (https://docs.gitlab.com/administration/instance_limits/)."""
DETAILS: Final = ((200, 10_000), (40, 10_000), (10, 2_000), (0, 500))
"""Lines of each change and changes of each site: the first pair that fits is taken."""
MESSAGES: Final = 40
"""Errors, notices and losses that are shown; a program may say much more."""
Diffs = Sequence[Sequence[str]]
"""Of each change of a site."""
LONGEST: Final = 4_000
"""Characters of one message, 300 of a name."""


def render(note: Note, link: str = "", limit: int = LIMIT) -> str:
    """The note, cut where it has to be.

    Args:
        note: What it says.
        link: Where the whole of it is; it stands where something is cut.
        limit: Characters.
    """
    diffs = [[differences.lines(change) for change in each.changes] for each in note.sets]
    for lines, changes in DETAILS:
        text, is_whole = _render(note, diffs, lines, changes)
        if not is_whole:
            where = f": [all of it]({link})" if link else ""
            text += f"\n\nSome details are left out{where}."
        if len(text) <= limit:
            return text
    raise ValueError(f"a note of {len(note.sets)} sites does not fit into {limit} characters")


def _render(note: Note, diffs: Sequence[Diffs], lines: int, changes: int) -> tuple[str, bool]:
    sections = [
        _section(note, each, diffs_of_site, lines, changes)
        for each, diffs_of_site in zip(note.sets, diffs, strict=True)
    ]
    blocks = [f"## {note.title}", _table(note), *_warnings(note), *(text for text, _ in sections)]
    return "\n\n".join(blocks), all(is_whole for _, is_whole in sections)


def _table(note: Note) -> str:
    rows = [COLUMNS, (":--", *["--:"] * (len(COLUMNS) - 1)), *note.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _warnings(note: Note) -> Iterator[str]:
    for title, texts in (("⛔ The brake refuses this", note.refused), ("⚠️ State is lost", note.losses)):
        if texts:
            shown = [f"- {_code(text, LONGEST)}" for text in texts[:MESSAGES]]
            more = [f"- and {len(texts) - MESSAGES} more"] if len(texts) > MESSAGES else []
            yield "\n".join([f"**{title}**", "", *shown, *more])


def _section(note: Note, changes: ChangeSet, diffs: Diffs, lines: int, most: int) -> tuple[str, bool]:
    """One site, folded, and whether nothing of it is left out."""
    parts: list[str] = []
    is_whole = len(changes.changes) <= most
    if changes.errors:
        parts.append(_block(changes.errors))
    for change, diff in zip(changes.changes[:most], diffs, strict=False):
        is_whole &= len(diff) <= lines
        parts.append(_change(note, change, diff, lines))
    if len(changes.changes) > most:
        parts.append(f"and {len(changes.changes) - most} more changes")
    if changes.notices:
        parts += ["The program says:", _block(changes.notices)]
    if not parts:
        return f"{note.summary(changes)}.", True
    opened = " open" if changes.errors else ""
    head = f"<details{opened}><summary>{note.summary(changes)}</summary>"
    return "\n\n".join([head, *parts, "</details>"]), is_whole


def _change(note: Note, change: Change, diff: Sequence[str], lines: int) -> str:
    mark = "⚠️ " if change.loss else ""
    text = f"{mark}{_code(note.headline(change), 300)}"
    if change.says:
        text += f" {_code(change.says, LONGEST)}"
    if diff and lines:
        more = [f"  … {len(diff) - lines} more lines"] if len(diff) > lines else []
        text += "\n" + fenced("\n".join([*diff[:lines], *more]), "diff")
    return text


def _block(texts: Sequence[str]) -> str:
    shown = [text[:LONGEST] for text in texts[:MESSAGES]]
    more = [f"and {len(texts) - MESSAGES} more messages"] if len(texts) > MESSAGES else []
    return fenced("\n".join([*shown, *more]), "text")


def fenced(text: str, language: str) -> str:
    """A block of code whose fence is longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _code(text: str, longest: int) -> str:
    """One line of code."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else f"{line[:longest]}…"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"
