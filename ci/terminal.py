"""A note in the terminal, for whoever is about to open a merge request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ci import differences
from ci.changes import Change, ChangeSet, Kind
from ci.note import COLUMNS, Note

LINES: Final = 40
"""Of each change."""
STYLES: Final = {Kind.CREATE: "green", Kind.UPDATE: "yellow", Kind.REPLACE: "magenta", Kind.DELETE: "red"}
MARKS: Final = {"+": "green", "-": "red", "!": "yellow"}


def console() -> Console:
    """For a terminal or a job's log: a long line is the reader's to wrap."""
    return Console(highlight=False, soft_wrap=True)


def recorder() -> Console:
    """For a picture."""
    return Console(highlight=False, record=True, width=110)


def show(note: Note, console: Console) -> None:
    """Print the note."""
    console.print(Text(note.title, style="bold"))
    table = Table(*COLUMNS, header_style="bold", box=None, pad_edge=False)
    for row in note.rows:
        table.add_row(*map(Text, row))
    console.print(table)
    for title, texts in (("The brake refuses this", note.refused), ("State is lost", note.losses)):
        if texts:
            console.print(Text(f"\n{title}", style="bold red"))
            for text in texts:
                console.print(Text(f"  {text}", style="red"))
    for each in note.sets:
        _site(note, each, console)


def _site(note: Note, changes: ChangeSet, console: Console) -> None:
    console.print(Text(f"\n{note.summary(changes)}", style="bold"))
    for error in changes.errors:
        console.print(Text(error, style="red"))
    for change in changes.changes:
        _change(note, change, console)
    for notice in changes.notices:
        console.print(Text(notice, style="dim"))


def _change(note: Note, change: Change, console: Console) -> None:
    text = Text(note.headline(change), style=STYLES[change.kind])
    if change.says:
        text.append(f" {change.says}", style="bold")
    if change.loss:
        text.append(f"  ⚠ {change.loss}", style="bold red")
    console.print(text)
    diff = differences.lines(change)
    for line in diff[:LINES]:
        console.print(Text(f"    {line}", style=MARKS.get(line[0], "")))
    if len(diff) > LINES:
        console.print(Text(f"    … {len(diff) - LINES} more lines", style="dim"))


def save_picture(console: Console, file: Path) -> None:
    """Save what was printed as SVG.

    Args:
        console: It has recorded.
        file: Where to.
    """
    # Rich names a font that would be fetched from the network; the reader's own will do.
    svg = re.sub(r"@font-face {.*?}", "", console.export_svg(title="make diff"), flags=re.DOTALL)
    file.write_text(svg, encoding="utf-8")
