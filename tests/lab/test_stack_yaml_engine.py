"""The engine reads stack files as `python -m settings` does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.project import Project
from tests.unit.settings.test_engine_yaml import READ, REFUSED, stack_file


def test_the_engine_reads_the_same_values(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins="")
    lines = [f"  tiny:v{index}: {{v: {written}}}\n" for index, written in enumerate(READ)]
    (tmp_path / "Pulumi.dev.yaml").write_text("".join(["config:\n", *lines]))

    shown = json.loads(project.pulumi("config", "--json"))

    values = [shown[f"tiny:v{index}"]["objectValue"]["v"] for index in range(len(READ))]
    assert [json.dumps(value) for value in values] == [json.dumps(value) for value in READ.values()]


def test_the_engine_refuses_the_same_values(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins="")
    for written in REFUSED.values():
        stack_file(tmp_path, written)
        assert "error: " in project.pulumi("config", "--json", code=1)
