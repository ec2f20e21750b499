"""What the lab's commands ask of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import commands
from lab.engine import Engine
from lab.layout import Lab
from lab.session import Session

STATES: dict[str, tuple[object, bool]] = {
    "just-made": (None, True),
    "destroyed": ({"manifest": {}}, True),
    "half-made": ({"resources": [{"urn": "urn:pulumi:toulouse::oss-nextgen::pulumi:pulumi:Stack::s"}]}, False),
}


@pytest.mark.parametrize("state", STATES)
def test_up_goes_on_after_an_error_only_where_nothing_can_be_deleted(
    state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    latest, goes_on = STATES[state]
    lab = Lab(home=tmp_path, block=0)
    file = lab.state / ".pulumi" / "stacks" / "oss-nextgen" / "toulouse.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "toulouse", "latest": latest}}))
    site = lab.site("toulouse")
    engine = Engine(site, {}, [])
    asked: list[str] = []

    def run(_engine: Engine, *arguments: str) -> SimpleNamespace:
        asked.extend(arguments)
        return SimpleNamespace(rows=list)

    monkeypatch.setattr(Engine, "run", run)
    monkeypatch.setattr(Engine, "outputs", lambda _: {})
    monkeypatch.setattr(commands, "open_session", lambda *_: Session(site, engine, {}, []))

    commands.up(lab, "toulouse")

    assert asked[:3] == ["up", "--stack", "toulouse"]
    assert ("--continue-on-error" in asked) is goes_on
