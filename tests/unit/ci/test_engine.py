"""What is kept of a preview, whatever the engine does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ci import engine, nouns
from ci.__main__ import main
from ci.engine import EngineError, Record, Stack
from tests.unit.ci.scripted import EXPORT, MACHINE, OPENED, PASSWORD, Answers, printed
from tests.unit.ci.steps import step


def test_a_run_is_what_was_previewed(
    answers: Callable[[Answers], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else an old pipeline's button takes away what later ones have brought about, and no brake has looked at that."""
    monkeypatch.chdir(tmp_path)
    answers({**OPENED, "preview --json": (0, printed(steps=[]), ""), "up --yes": (0, "updating\n", "")})
    assert main(["preview", "paris"]) == 0
    assert main(["up", "paris"]) == 0
    assert "updating" in capsys.readouterr().out

    later = json.dumps({"deployment": {"resources": [MACHINE, {**MACHINE, "inputs": {"name": "paris-workers-2"}}]}})
    answers({**OPENED, "stack export": (0, later, ""), "up --yes": (0, "updating\n", "")})
    assert main(["up", "paris"]) == 1
    said = capsys.readouterr()
    assert "updating" not in said.out
    assert "paris has changed since its preview" in said.err


def test_a_preview_is_kept_without_secrets(answers: Callable[[Answers], None], tmp_path: Path) -> None:
    said = [{"severity": "info", "message": f"logged in with {PASSWORD}"}]
    answers({**OPENED, "preview --json": (0, printed(steps=[], diagnostics=said), "")})
    engine.preview("paris").write(tmp_path)
    kept = (tmp_path / "paris.json").read_text()
    assert PASSWORD not in kept
    assert Record.read(tmp_path / "paris.json").changes.notices == ("logged in with [secret]",)


def test_the_brake_looks_at_what_there_is_and_at_the_settings(answers: Callable[[Answers], None]) -> None:
    steps = [step("delete", nouns.VM, "workers-1", {"name": "paris-workers-1"})]
    answers({**OPENED, "preview --json": (0, printed(steps=steps), "")})
    (refused,) = engine.preview("paris").refused
    assert refused.startswith(
        "paris: 1 of 1 machines would be replaced or deleted, and changeControl.machines allows 0"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stack export": (255, "", "error: no stack named 'paris' found")}, "no stack named 'paris' found"),
        ({**OPENED, "preview --json": (255, "", f"error: wrong {PASSWORD}")}, "wrong [secret]"),
        (
            {
                **OPENED,
                "preview --json": (1, printed(diagnostics=[{"severity": "error", "message": "error: no\n"}]), ""),
            },
            "no",
        ),
        (
            {
                **OPENED,
                "preview --json": (1, printed(diagnostics=[{"severity": "error", "message": "preview failed"}]), ""),
                "preview --color": (1, "Policies:\n    ❌ pack\n        - pods-in-bounds\n\nResources:\n    1\n", ""),
            },
            "❌ pack\n    - pods-in-bounds",
        ),
        ({**OPENED, "preview --json": (1, printed(steps=[]), ""), "preview --color": (1, "", "")}, "ended with code 1"),
    ],
    ids=["no-stack", "no-json", "error", "policy", "silent"],
)
def test_a_failure_is_kept_for_reviewers(answers: Callable[[Answers], None], given: Answers, said: str) -> None:
    answers(given)
    (error,) = engine.preview("paris").changes.errors
    assert said in error


def test_a_stack_that_cannot_be_opened_says_why(answers: Callable[[Answers], None]) -> None:
    answers({"stack export": (0, EXPORT, ""), "config --json": (255, "", "error: incorrect passphrase")})
    with pytest.raises(EngineError, match="pulumi config: error: incorrect passphrase"):
        Stack.open("paris")


def test_what_is_shown_of_a_run_has_no_secret(
    answers: Callable[[Answers], None], capsys: pytest.CaptureFixture[str]
) -> None:
    answers({**OPENED, "up --yes": (3, f"creating\nlogged in with {PASSWORD}\n", "")})
    assert Stack.open("paris").show("up", "--yes") == 3
    assert capsys.readouterr().out == "creating\nlogged in with [secret]\n"


@pytest.fixture
def run_making_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stack]:
    """A run that replaces a password, prints both, and does this before and that after."""

    def install(before: str, after: str) -> Stack:
        (tmp_path / "state.json").write_text(EXPORT.replace(PASSWORD, PASSWORD[::-1]))
        (tmp_path / "later.json").write_text(EXPORT)
        (tmp_path / "pulumi").write_text(
            f"""#!/bin/sh
            cd {tmp_path}
            case "$*" in
              "stack export"*) test ! -e busy && cat state.json ;;
              "config --json"*) echo "{{}}" ;;
              *) {before}; cp later.json state.json; echo "made {PASSWORD}, not {PASSWORD[::-1]}"; {after}; exit 3 ;;
            esac"""
        )
        (tmp_path / "pulumi").chmod(0o755)
        return Stack.open("paris")

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(engine, "PAUSE", 0.1)
    return install


@pytest.mark.parametrize(("before", "after"), [(":", ":"), ("touch busy", "sleep 1; rm busy; printf end")])
def test_a_secret_that_the_run_itself_makes_is_not_shown(
    run_making_a_secret: Callable[..., Stack], capsys: pytest.CaptureFixture[str], before: str, after: str
) -> None:
    """At once, or where the state cannot be read for a while."""
    assert run_making_a_secret(before, after).show("up", "--yes") == 3
    assert capsys.readouterr().out.removesuffix("end\n") == "made [secret], not [secret]\n"


def test_nothing_is_shown_of_a_run_whose_secrets_nobody_can_know(
    run_making_a_secret: Callable[..., Stack], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match="pulumi stack export"):
        run_making_a_secret("touch busy", ":").show("up", "--yes")
    assert capsys.readouterr().out == ""


def test_a_run_is_shown_while_it_goes_on(
    run_making_a_secret: Callable[..., Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends once somebody has read its first line."""
    stack = run_making_a_secret("echo creating; while test ! -e read; do sleep 0.1; done", ":")
    run, shown = threading.Thread(target=stack.show, args=("up", "--yes")), ""
    run.start()
    deadline = time.monotonic() + 120
    while "creating\n" not in shown and time.monotonic() < deadline:
        time.sleep(0.1)
        shown += capsys.readouterr().out
    (tmp_path / "read").touch()
    run.join()
    assert shown == "creating\n"
    assert capsys.readouterr().out == "made [secret], not [secret]\n"
