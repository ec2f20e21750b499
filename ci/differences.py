"""What changes of one resource, as the lines of a diff: `-` before, `+` after, `!` for a secret that changes.

Every input is a path and its value: `values.controller.replicaCount: 3`. A list of things with names is told apart
by them, record sets by their records, a longer text by its lines.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ci import nouns
from ci.changes import Change, Kind
from ci.scrub import MASK

LONGEST: Final = 160
"""Characters of one line; what is longer is cut."""
SILENT: Final = frozenset(
    {"__provider", "__defaults", "compat", "playbook", "groupVars", "renew", "issued", "attempted", "begun"}
)
"""Inputs that are the engine's own, or that `Change.says` tells, or another resource's step."""
LATER: Final = "(known after the run)"


def lines(change: Change) -> list[str]:
    """The diff of a change; empty for what is deleted, which is all said by its name."""
    if change.kind is Kind.DELETE:
        return []
    before, after = (dict(_leaves("", inputs, change.type)) for inputs in (change.before, change.after))
    shown = [
        line
        for path in sorted({*before, *after}, key=_order)
        if before.get(path) != after.get(path)
        for line in _line(path, before.get(path), after.get(path))
    ]
    # A secret looks the same before and after: only the provider knows that it differs.
    return shown + [f"! {path}: {MASK} changes" for path in change.paths if _is_masked(path, before, after)]


def _is_masked(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether the path, or a structure that it is in, is secret before and after."""
    ends = [match.start() for match in re.finditer(r"[.\[]", path)] + [len(path)]
    return any(before.get(path[:end]) == after.get(path[:end]) == MASK for end in ends)


def _order(path: str) -> tuple[bool, str]:
    return path != "version", path  # The version of a chart says more than all of its values.


def _line(path: str, before: str | None, after: str | None) -> Iterator[str]:
    if before is not None and after is not None and ("\n" in before or "\n" in after):
        yield f"  {path}:"
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0):
            if not line.startswith(("---", "+++", "@@")):
                yield _cut(f"{line[0]}   {line[1:]}")
        return
    for mark, value in (("-", before), ("+", after)):
        for text in [] if value is None else value.splitlines() or [""]:
            yield _cut(f"{mark} {path}: {text}" if path else f"{mark} {text}")


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line) - LONGEST} more characters)"


def _leaves(path: str, value: Any, type_: str) -> Iterator[tuple[str, str]]:
    """Each path below `value` with its text."""
    if path == "recordSets" and type_ in (nouns.ZONE, nouns.RECORD_SETS) and value not in nouns.UNKNOWN:
        yield from _records(value)
    elif isinstance(value, Mapping) and value:
        for key, each in value.items():
            if key not in SILENT:
                yield from _leaves(f"{path}.{key}" if path else key, each, type_)
    elif isinstance(value, list) and value:
        for mark, each in zip(_marks(value), value, strict=True):
            yield from _leaves(f"{path}[{mark}]", each, type_)
    elif path:
        yield path, _text(value)


def _marks(values: list[Any]) -> list[Any]:
    """The names of the things in a list, or their places where they have none."""
    names = [each.get("name") if isinstance(each, Mapping) else None for each in values]
    return names if all(names) and len(set(names)) == len(names) else list(range(len(values)))


def _records(value: Any) -> Iterator[tuple[str, str]]:
    """A line for each record: `www.ef-fr.dev. A 300 192.0.2.1`."""
    record_sets = json.loads(value) if isinstance(value, str) else value
    for key, text in record_sets.items():
        yield key, _text(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if value in nouns.UNKNOWN or value == "[unknown]":
        return LATER
    if value.startswith("-----BEGIN "):
        kind = value.removeprefix("-----BEGIN ").partition("-----")[0]
        return f"(PEM: {kind.lower()}, SHA-256 {hashlib.sha256(value.encode()).hexdigest()[:12]}…)"
    return value
