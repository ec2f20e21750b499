"""Steps as `pulumi preview --json` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ci.changes import Change, ChangeSet

URN = "urn:pulumi:paris::oss-nextgen::"


def step(op: str, type_: str, logical: str, before: Any = None, after: Any = None, **more: Any) -> dict[str, Any]:
    """One step; the inputs before and after, None for no state."""
    states = {
        key: {"type": type_, "inputs": inputs}
        for key, inputs in (("oldState", before), ("newState", after))
        if inputs is not None
    }
    return {"op": op, "urn": f"{URN}{type_}::{logical}", **states, **more}


def change_set(*steps: Mapping[str, Any], failed: bool = False) -> ChangeSet:
    """Of the site paris."""
    return ChangeSet.of("paris", {"steps": list(steps)}, failed=failed)


def change(*arguments: Any, **more: Any) -> Change:
    """The only change of one step."""
    (only,) = change_set(step(*arguments, **more)).changes
    return only
