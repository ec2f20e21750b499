"""The document of restores: its commands, and which of them the lab cannot run."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "restore.md"
VOLUME, OTHERS = "A volume", "(?!A volume$).*"
"""Titles of chapters: that of tests/lab/test_socle_life.py, which needs Longhorn, and those of test_backup.py."""
NOT_RUN = re.compile(r"# Not on the lab: \w.{10,}\.\n")


def blocks(chapters: str = ".*") -> list[str]:
    """Blocks of commands, in those chapters whose titles match."""
    found = ["", *re.split(r"^## (.*)\n", DOCUMENT.read_text(), flags=re.MULTILINE)]
    texts = [text for title, text in zip(found[::2], found[1::2], strict=True) if re.fullmatch(chapters, title)]
    return re.findall(r"^```console\n(.*?)^```$", "".join(texts), re.MULTILINE | re.DOTALL)


def commands(chapters: str = ".*", *, run: bool) -> list[str]:
    """The commands that the lab can run, or those that it cannot."""
    chosen = [block for block in blocks(chapters) if run != bool(NOT_RUN.match(block))]
    return [found for block in chosen for found in re.findall(r"^\$ (.*(?:\n(?![$#]).+)*)", block, re.MULTILINE)]


def test_each_command_is_run_or_says_why_not() -> None:
    assert len(commands(VOLUME, run=True)) >= 7
    assert len(commands(OTHERS, run=True)) >= 7
    assert len(commands(run=False)) >= 10
    for block in blocks():
        assert block.startswith("$ ") or NOT_RUN.match(block), block


def test_what_the_lab_cannot_run_needs_what_it_has_not() -> None:
    """A command of Pulumi's or kubectl's alone is no such thing."""
    for command in commands(run=False):
        assert not re.match(r"pulumi (up|refresh|stack|preview)", command), command


def test_everything_that_is_kept_comes_back() -> None:
    """Each row of the table has a chapter."""
    text = DOCUMENT.read_text()
    kept = re.findall(r"^\| ([a-z][^|(]*?)(?: \([^|]*)? \|", text, re.MULTILINE)
    chapters = " ".join(re.findall(r"^## (.*)$", text, re.MULTILINE)).lower()
    assert [row for row in kept if row != "what" and row.rstrip("s").split()[-1] not in chapters] == []
