"""The engine's command line, and what it prints, for the commands beside the program. No Pulumi in here."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""Key that marks what is more than a plain value in a state and in events: a secret, for one."""


class EngineError(Exception):
    """The engine did not do what it was asked for, in its own words."""


def call(
    *arguments: str, stdin: str = "", timeout: float | None = None, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run the engine, which asks for nothing, and keep what it prints, whatever its exit code.

    Args:
        arguments: Of `pulumi`.
        stdin: What it reads.
        timeout: Seconds.
        variables: Of its environment, beside those of this one.

    Raises:
        EngineError: there is none, or it took too long.
    """
    command, environment = ["pulumi", *arguments, "--non-interactive"], {**os.environ, **variables}
    try:
        return subprocess.run(
            command, input=stdin, env=environment, timeout=timeout, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise EngineError(
            "there is no `pulumi` on the PATH: install it (https://www.pulumi.com/docs/install/)"
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{_named(arguments)} did not end within {timeout} s: is the backend there?") from None


def run(*arguments: str, stdin: str = "", timeout: float | None = None) -> str:
    """Run the engine. Returns what it printed; see `call`.

    Raises:
        EngineError: it failed as well.
    """
    done = call(*arguments, stdin=stdin, timeout=timeout)
    if done.returncode:
        # Half an answer may hold secrets, where they were asked for.
        said = (
            done.stderr or ("--show-secrets" not in arguments and done.stdout) or f"ended with code {done.returncode}"
        )
        raise EngineError(f"{_named(arguments)}: {said.strip()}")
    return done.stdout


def _named(arguments: tuple[str, ...]) -> str:
    return " ".join(["pulumi", *takewhile(lambda word: not word.startswith("-"), arguments)])


def export(stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
    """The state of a stack, secrets encrypted unless they are asked for.

    Raises:
        EngineError: the engine refused.
    """
    options = ["--show-secrets"] if show_secrets else []
    exported: dict[str, Any] = json.loads(run("stack", "export", *options, "--stack", stack))
    return exported


def plain(value: Any) -> Any:
    """A value of an export with `show_secrets`, secrets as what they are."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if SIGNATURE in value and "plaintext" in value:
            return plain(json.loads(value["plaintext"]))
        return {key: plain(item) for key, item in value.items()}
    return value


def stack_file(stack: str) -> Path:
    """The file that the engine reads the stack's configuration from."""
    return Path(os.environ.get("PULUMI_OPTION_CONFIG_FILE", f"Pulumi.{stack}.yaml"))
