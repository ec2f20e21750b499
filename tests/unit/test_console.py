"""What commands print where there is no terminal: progress apart from answers, and no silence."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from lab import console


def test_durations() -> None:
    assert [console.duration(seconds) for seconds in (0.04, 12.34, 59.97, 245, 3600)] == [
        "0.0 s",
        "12.3 s",
        "1 min 00 s",
        "4 min 05 s",
        "60 min 00 s",
    ]


def test_stages_go_to_stderr_and_show_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), console.stage("outer"), console.stage("inner [1 of 2]"):
        raise RuntimeError
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split("  0.")[0] for line in captured.err.splitlines()] == [
        "▸ outer",
        "  ▸ inner [1 of 2]",
        "  ✗ inner [1 of 2]",
        "✗ outer",
    ]


def test_a_long_stage_says_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()

    def note(message: str) -> None:
        if re.fullmatch(r"▸ build … \d+\.\d s \(about 3 min left\)", message):
            told.set()

    monkeypatch.setattr(console, "HEARTBEAT", 0.01)
    monkeypatch.setattr(console, "note", note)
    with console.stage("build", detail=lambda: "about 3 min left"):
        assert told.wait(10)


def test_a_stage_that_prints_by_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(console, "_stderr", Console(file=terminal, force_terminal=True, color_system=None))
    with console.stage("pulumi up", streams=True):
        terminal.write("what the engine says\n")
        written = terminal.getvalue()
    assert written == "▸ pulumi up\nwhat the engine says\n"


def test_a_terminal_shows_only_the_result_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(console, "_stderr", Console(file=terminal, force_terminal=True, color_system=None))
    with console.stage("outer"), console.stage("inner"):
        pass
    assert terminal.getvalue().count("✓ inner") == 1
    assert re.search(r"✓ outer  \d+\.\d s$", terminal.getvalue().rstrip().splitlines()[-1])


def test_tables_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("outputs", ("key", "value"), [("nodes", "paris-masters-1\nparis-masters-2"), ("site", "[paris]")])
    assert capsys.readouterr().out.splitlines() == [
        "",
        "outputs",
        "key    value",
        "nodes  paris-masters-1",
        "       paris-masters-2",
        "site   [paris]",
    ]


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.error("no [bold] tags are read")
    assert capsys.readouterr() == ("", "error: no [bold] tags are read\n")
