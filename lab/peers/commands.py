"""Commands that are timed as whole processes, ours and the peers'."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from lab.engine import EngineError


def seconds(
    argv: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
) -> float:
    """Run a command quietly; how long it took.

    Raises:
        EngineError: it failed.
    """
    start = time.monotonic()
    result = subprocess.run(argv, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, check=False)
    taken = time.monotonic() - start
    if result.returncode:
        raise EngineError(f"{Path(argv[0]).name} {argv[1]} failed: {result.stdout}{result.stderr}")
    return taken


class Stack:
    """A program with a stack of its own."""

    def __init__(self, folder: Path, program: str, env: Mapping[str, str]) -> None:
        self._folder, self._env = folder, env
        folder.mkdir()
        project = f"{folder.parent.name}-{folder.name}"
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": project, "runtime": "python"}))
        (folder / "__main__.py").write_text(program)
        self._pulumi("stack", "init", "bench")

    def configure(self, key: str = "", **values: str) -> None:
        """Set configuration values; `key` is a secret."""
        self._pulumi("config", "set-all", *(f"--plaintext={name}={value}" for name, value in values.items()))
        if key:
            self._pulumi("config", "set", "--secret", "key", stdin=key)

    def up(self) -> float:
        """Seconds of an update without a preview first."""
        return self._pulumi("up", "--yes", "--skip-preview")

    def destroy(self) -> None:
        """Remove what it has made."""
        self._pulumi("destroy", "--yes", "--skip-preview")

    def _pulumi(self, *args: str, stdin: str = "") -> float:
        return seconds(["pulumi", *args, "--non-interactive"], self._folder, self._env, stdin)
