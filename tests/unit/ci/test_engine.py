"""What is kept of a preview, whatever the engine does. The engine is a script that answers as it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ci import engine, nouns
from ci.__main__ import main
from ci.engine import EngineError, Record, Stack
from tests.unit.ci.steps import step

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "Xk2mB7qLw9Vt4RzN8pYc"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(PASSWORD)}
MACHINE = {"type": nouns.VM, "inputs": {"name": "paris-workers-1"}, "outputs": {"password": SECRET}}
EXPORT = json.dumps({"deployment": {"resources": [MACHINE]}})
Answers = Mapping[str, tuple[int, str, str]]
"""First words of a command -> exit code, standard output, standard error."""
OPENED: Answers = {"stack export": (0, EXPORT, ""), "config --json": (0, "{}", "")}


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], None]:
    """Puts a `pulumi` on the PATH that gives these answers, and the first fitting one."""

    def install(given: Answers) -> None:
        (tmp_path / "answers.json").write_text(json.dumps([[key.split(), *value] for key, value in given.items()]))
        script = tmp_path / "pulumi"
        script.write_text(
            "#!/usr/bin/env python3\nimport json, pathlib, sys\n"
            "for words, code, out, err in json.loads(pathlib.Path(__file__).with_name('answers.json').read_text()):\n"
            "    if set(words) <= set(sys.argv[1:]):\n"
            "        print(out, end=''), print(err, end='', file=sys.stderr), sys.exit(code)\n"
            "sys.exit(f'no answer to {sys.argv[1:]}')\n"
        )
        script.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(ROOT / "Pulumi.paris.yaml"))
    return install


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


def printed(**digest: Any) -> str:
    return json.dumps(digest)


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
    with pytest.raises(EngineError, match="pulumi config --json: error: incorrect passphrase"):
        Stack.open("paris")


def test_what_is_shown_of_a_run_has_no_secret(
    answers: Callable[[Answers], None], capsys: pytest.CaptureFixture[str]
) -> None:
    answers({**OPENED, "up --yes": (3, f"creating\nlogged in with {PASSWORD}\n", "")})
    assert Stack.open("paris").show("up", "--yes") == 3
    assert capsys.readouterr().out == "creating\nlogged in with [secret]\n"
