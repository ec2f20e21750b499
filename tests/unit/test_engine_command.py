"""The engine's command line, whichever command asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import engine


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The engine: a script that the test writes."""
    script = tmp_path / "pulumi"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return script


def test_it_reads_what_it_is_given_and_asks_for_nothing(pulumi: Path) -> None:
    pulumi.write_text('#!/bin/sh\necho "$@"; cat')
    assert engine.run("stack", "import", "--stack", "paris", stdin="state") == (
        "stack import --stack paris --non-interactive\nstate"
    )


@pytest.mark.parametrize(
    ("script", "command", "said"),
    [
        ("echo printed; echo refused >&2; exit 1", "stack output --json", "pulumi stack output: refused"),
        ("echo printed; exit 255", "refresh --yes", "pulumi refresh: printed"),
        ("echo s3cret; exit 255", "stack output --show-secrets", "pulumi stack output: ended with code 255"),
    ],
)
def test_what_it_says_of_a_failure(pulumi: Path, script: str, command: str, said: str) -> None:
    pulumi.write_text(f"#!/bin/sh\n{script}")
    with pytest.raises(engine.EngineError) as failure:
        engine.run(*command.split())
    assert str(failure.value) == said


def test_it_does_not_end(pulumi: Path) -> None:
    pulumi.write_text("#!/bin/sh\nexec sleep 60")
    with pytest.raises(
        engine.EngineError, match=r"^pulumi config get did not end within 0.2 s: is the backend there\?$"
    ):
        engine.run("config", "get", "--json", timeout=0.2)


def test_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.EngineError, match="there is no `pulumi` on the PATH: install it"):
        engine.run("version")
