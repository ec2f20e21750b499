"""The note as Markdown: its order, its limit, and that nothing in it is more than text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ci import markdown, note, nouns
from ci.changes import ChangeSet
from tests.unit.ci.steps import change_set, step

SERVICE = "kubernetes:core/v1:Service"


def machines(op: str, count: int, size: int = 10) -> ChangeSet:
    """That many machines, with inputs of so many lines."""
    inputs = [{"name": f"paris-workers-{number}", **{f"k{key}": 1 for key in range(size)}} for number in range(count)]
    before: dict[str, Any] | None = None if op == "create" else {}
    return change_set(*(step(op, nouns.VM, "it", before, each) for each in inputs))


def render(*sets: ChangeSet, **more: Any) -> str:
    return markdown.render(note.preview(sets, "5f0f1d2c"), **more)


def test_first_the_table_then_what_is_lost_then_the_sites() -> None:
    text = render(machines("create", 1), machines("delete", 2))
    places = [text.index(part) for part in ("| site |", "**⚠️ State is lost**", "<details>", "`create VM")]
    assert places == sorted(places)
    assert "| paris | 1 | - | - | - | 0 |" in text
    assert text.count("</details>") == text.count("<details") == 2


def test_what_the_brake_refuses_comes_before_what_is_lost() -> None:
    text = render(replace(change_set(step("delete", nouns.VM, "a", {"name": "a"})), refused=("too much",)))
    assert text.index("**⛔ The brake refuses this**\n\n- `too much`") < text.index("State is lost")


def test_sites_without_a_preview_are_told() -> None:
    text = render(ChangeSet("lille", skipped=True), ChangeSet("backup", errors=("no access",)))
    assert "| lille | - | - | - | - | skipped |" in text
    assert "<details open><summary>backup: the preview failed</summary>" in text
    assert "```text\nno access\n```" in text


@pytest.mark.parametrize(("count", "size"), [(1, 500), (600, 250), (2000, 50), (11_000, 2)])
def test_a_note_over_the_limit_is_cut_where_it_hurts_least(count: int, size: int) -> None:
    link = "https://gitlab.example.org/oss/nextgen/-/jobs/1/artifacts/browse/previews"
    text = render(machines("replace", count, size), link=link)
    assert len(text) <= markdown.LIMIT
    assert f"| paris | - | - | {count} | - | 0 |" in text
    assert f"Some details are left out: [all of it]({link})." in text
    assert text.count("```") % 2 == 0
    assert text.count("<details") == text.count("</details>") == 1


def test_a_note_within_the_limit_is_whole() -> None:
    text = render(machines("create", 20, 100))
    assert "left out" not in text
    assert text.count("+ k") == 20 * 100


@pytest.mark.parametrize(
    "value",
    ["/merge", "a\n/merge\nb", "```\n/merge\n```", "````\n/label ~done", "<script>", "@everyone", "`/merge`"],
)
def test_what_others_have_written_stays_text(value: str) -> None:
    """GitLab carries out a line that begins with a slash, wherever it is not code."""
    changes = change_set(
        step("update", SERVICE, value, {"x": "", "name": value}, {"x": value, "name": value}),
        step("delete", nouns.VM, value, {"name": value}),
    )
    sets = [changes, ChangeSet("lille", errors=(value,)), ChangeSet("backup", notices=(value,), refused=(value,))]
    outside = _without_code(render(*sets))
    for part in ("merge", "label", "script", "everyone"):
        assert part not in outside


def _without_code(text: str) -> str:
    """As CommonMark reads it: fenced blocks first, then spans of code."""
    blocks = re.sub(r"^(`{3,})[a-z]*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", blocks)
