"""A stack file means to `python -m settings` what it means to the engine.

The tables are the engine's own answers: tests/lab/test_stack_yaml_engine.py asks it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settings import SettingsError
from settings.files import raw_values

READ: dict[str, Any] = {
    "22:00": "22:00",
    "1:30:00": "1:30:00",
    "yes": "yes",
    "Off": "Off",
    "true": True,
    "False": False,
    "~": None,
    "Null": None,
    "2026-02-30": "2026-02-30",
    "75": 75,
    "+75": 75,
    "1_000": 1000,
    "017": 15,
    "0o17": 15,
    "-0x1F": -31,
    "0b11": 3,
    "0x_": "0x_",
    "0o": "0o",
    "08": 8,
    "75.0": 75,
    "1e3": 1000,
    "1.": 1,
    ".5": 0.5,
    "1.35": 1.35,
    "_1": "_1",
    "1.35.4": "1.35.4",
    "=": "=",
    "'75'": "75",
    '"\\U0001F600"': "\U0001f600",
    "{2: a, true: b}": {"2": "a", "true": "b"},
    "{22:00: a}": {"22:00": "a"},
    "{<<: {a: 1, b: 2}, b: 3}": {"a": 1, "b": 3},
}
"""What stands in a file -> the value."""

REFUSED = {
    "a key twice": "{s3cret: 1, s3cret: 2}",
    "a key twice, once in quotes": '{1: s3cret, "1": s3cret}',
    "half a character": '"s3cret \\ud800"',
    "a character in two escapes": '"s3cret \\ud83d\\ude00"',
    "itself": "&s3cret [*s3cret]",
    "a list as a key": "{[s3cret]: 1}",
}


def stack_file(folder: Path, value: str) -> Path:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(f"config:\n  oss-nextgen:x: {{v: {value}}}\n")
    return path


@pytest.mark.parametrize("written", READ)
def test_a_value_is_what_the_engine_reads(written: str, tmp_path: Path) -> None:
    read = raw_values(stack_file(tmp_path, written))["x"]["v"]

    assert json.dumps(read) == json.dumps(READ[written])


@pytest.mark.parametrize(
    "written", [*REFUSED.values(), "!!timestamp s3cret", "!!binary s3cret", "[" * 5000, "9" * 5000]
)
def test_what_it_refuses_is_refused_in_one_line(written: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        raw_values(stack_file(tmp_path, written))

    assert [problem.rule for problem in refused.value.problems] == ["not-yaml"]
    assert str(refused.value).startswith("Pulumi.dev.yaml: is not valid YAML")
    assert "s3cret" not in str(refused.value)


def test_a_key_that_is_there_twice_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  oss-nextgen:site: dev\n  oss-nextgen:site: paris\n")

    with pytest.raises(SettingsError, match=r"in line 3, column 3: a key that is there already$"):
        raw_values(path)
