"""What is wrong in a stack file, said so that a person can put it right.

Every problem is one line: file, key path, the value as the file has it, what is allowed. The value of
an unknown key is never shown, nor is a password inside a URL: either may be a secret in the wrong place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

PROJECT = "oss-nextgen"

_LONGEST_VALUE = 80
_WORDING = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "string_type": "must be text; write what looks like a number in quotes",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping",
    "too_short": "must have at least one entry",
}


@dataclass(frozen=True)
class Problem:
    """One broken rule.

    Args:
        rule: Name of the rule, for tests and for searching in the documentation.
        text: Key path, value and what is allowed, without the file's name.
    """

    rule: str
    text: str

    @classmethod
    def at(cls, path: str, value: object, rule: str, expected: str) -> Problem:
        """A value that is there and is not allowed; `expected` says what would be."""
        return cls(rule, f"{PROJECT}:{path} is {_shown(value)}: {expected}")

    def __str__(self) -> str:
        return self.text


def repeated(path: str, values: Sequence[str], rule: str) -> Iterator[Problem]:
    """A problem for each value that is there already.

    Args:
        path: Key path of the values, with `{}` for their index.
        values: In the file's order.
        rule: Name of the rule.
    """
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Problem.at(path.format(index), value, rule, f"is already {path.format(values.index(value))}")


class SettingsError(pulumi.RunError):
    """One or more problems in a stack file.

    A `RunError`, so that the engine prints the message and no traceback.

    Args:
        source: The stack file's name; every line of the message starts with it.
        problems: What is wrong, in the order of the file's keys.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


def of_validation(
    error: ValidationError, model: type[BaseModel], hidden: Collection[str] = (), also_allowed: Collection[str] = ()
) -> Iterator[Problem]:
    """The problems that pydantic found while validating JSON.

    Args:
        error: What pydantic raised.
        model: The model it validated against; its keys are the fields' aliases.
        hidden: Top-level keys that were left out of the JSON, and so are not missing.
        also_allowed: Top-level keys that are read elsewhere, to be named beside the model's own.
    """
    for details in error.errors():
        location, kind = details["loc"], details["type"]
        if not location:
            # All of it. It may hold anything, and is not shown.
            yield Problem("not-json", f"cannot be handed over as JSON, as the engine does: {details['msg']}")
        elif kind == "extra_forbidden":
            allowed = [*_fields(model, location[:-1]), *(also_allowed if len(location) == 1 else ())]
            yield _unknown_key(location, allowed)
        elif kind == "missing" and location[0] in hidden:
            continue
        elif kind == "too_short" and details["input"]:
            continue  # Pydantic does not count the entries that it has just complained about.
        else:
            yield _of_details(details, model)


def _of_details(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    rule, location, value = details["type"], details["loc"], details["input"]
    if rule == "missing":
        purpose = _fields(model, location[:-1])[str(location[-1])].description
        return Problem("missing-key", f"{PROJECT}:{_key_path(location)} is missing{f': {purpose}' if purpose else ''}")
    key = details.get("ctx", {}).get("key")
    if key is not None:
        location, value = (*location, key), value[key]
    expected = _WORDING.get(rule) or details["msg"].replace("Input should be", "must be")
    return Problem.at(_key_path(location), value, rule.replace("_", "-"), expected)


def _unknown_key(location: Sequence[int | str], allowed: Sequence[str]) -> Problem:
    near = get_close_matches(str(location[-1]), allowed, n=2)
    advice = f"did you mean {' or '.join(near)}?" if near else f"allowed here: {', '.join(allowed)}"
    return Problem("unknown-key", f"{PROJECT}:{_key_path(location)} is not a setting: {advice}")


def _key_path(location: Sequence[int | str]) -> str:
    """`("pools", 0, "count")` as Pulumi writes it: `pools[0].count`. `[key]` is pydantic's, where a key is wrong."""
    parts = [part for part in location if part != "[key]"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".")


def _fields(model: type[BaseModel], location: Sequence[int | str]) -> dict[str, FieldInfo]:
    """Fields by alias of the model found at `location` below `model`."""
    parts = iter(location)
    for part in parts:
        if isinstance(part, str):
            annotation = _by_alias(model)[part].annotation
            model = _model_in(annotation)
            if get_origin(annotation) is dict:
                next(parts, None)  # A key that the stack file chose: no field.
    return _by_alias(model)


def _by_alias(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model of `Model`, `Model | None`, `tuple[Model, ...]` or `dict[..., Model]`."""
    candidates = (annotation, *get_args(annotation))
    return next(each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel))


def _shown(value: object) -> str:
    """`value` as YAML (JSON is YAML), short, without the secret that a URL or an API token may hold."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = re.sub(r"://.*@", "://...@", text)
    text = re.sub(r"(://[^\s?\"]*\?)[^\s\"]+", r"\1...", text)
    text = re.sub(r"(![^\s@!=]+=)[^\s\"]+", r"\1...", text)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
