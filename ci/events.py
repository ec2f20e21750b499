"""What the engine tells event by event, as the digest that `pulumi preview --json` prints.

Its own digest of a refresh says what was found only where a provider says which properties differ. Dynamic providers
say no more than that something does: such a step stays a `refresh` there, with the former state on both sides. An
event has what has become of its step, and both states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ci.scrub import MASK
from components.engine import SIGNATURE


def digest(printed: str) -> dict[str, Any]:
    """Steps, diagnostics and numbers.

    Args:
        printed: Lines, each an event, as the engine prints them where `PULUMI_ENABLE_STREAMING_JSON_PREVIEW` is set.

    Raises:
        ValueError: it is not that, or ends too early.
    """
    found: dict[str, Any] = {"steps": [], "diagnostics": []}
    for line in filter(None, printed.split("\n")):
        event = json.loads(line)
        if "resOutputsEvent" in event:
            found["steps"].append(_step(event["resOutputsEvent"]["metadata"]))
        elif "diagnosticEvent" in event:
            said = event["diagnosticEvent"]
            if not said.get("ephemeral") and said["severity"] != "debug":
                message = f"{said.get('prefix', '')}{said['message']}"
                found["diagnostics"].append({"severity": said["severity"], "message": message})
        elif "summaryEvent" in event:
            found["changeSummary"] = event["summaryEvent"]["resourceChanges"]
    if "changeSummary" not in found:
        raise ValueError("the events end without a summary")
    return found


def _step(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "op": metadata["op"],
        "urn": metadata["urn"],
        "oldState": _masked(metadata.get("old")),
        "newState": _masked(metadata.get("new")),
        "detailedDiff": metadata.get("detailedDiff"),
        "diffReasons": metadata.get("diffs"),
        "replaceReasons": metadata.get("keys"),
    }


def _masked(value: Any) -> Any:
    """The value with each secret as the digest has it: here it is a mark around a text that says no more."""
    if isinstance(value, Mapping):
        return MASK if SIGNATURE in value else {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value
