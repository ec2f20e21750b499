"""Stack files as they lie in the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from settings.engine_yaml import EngineError, load
from settings.problems import PROJECT, Problem, SettingsError


def raw_values(path: Path) -> dict[str, Any]:
    """Read the configuration of a stack file the way that the engine does.

    Returns:
        Key without the project's namespace -> value; `SecretStr("")` for one that holds an encrypted value.

    Raises:
        SettingsError: the file is not there or is not YAML with a `config` mapping.
    """
    try:
        document = load(path.read_text(encoding="utf-8"))
        config = document.get("config") if isinstance(document, Mapping) else None
        values = {key: _as_engine(value) for key, value in config.items()} if isinstance(config, Mapping) else None
    except OSError as error:
        raise SettingsError(path.name, [Problem("unreadable", f"cannot be read: {error.strerror}")]) from None
    # A ValueError: no UTF-8, or a number of too many digits. A RecursionError: a value that contains itself.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's own message quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = f": {error.problem}" if isinstance(error, EngineError) else ""
        raise SettingsError(path.name, [Problem("not-yaml", f"is not valid YAML{place}{reason}")]) from None
    if values is None:
        expected = f"must be a mapping with the key config, whose keys are {PROJECT}:site and so on"
        raise SettingsError(path.name, [Problem("no-config", expected)])
    return {str(key).removeprefix(f"{PROJECT}:"): value for key, value in values.items()}


def _as_engine(value: Any) -> Any:
    """The engine reads an empty value as empty text, and takes a mapping with a secret anywhere in it for a secret."""
    if _holds_secret(value):
        return SecretStr("")
    return "" if value is None else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.keys() == {"secure"} or any(_holds_secret(each) for each in value.values())
    return isinstance(value, list) and any(_holds_secret(each) for each in value)
