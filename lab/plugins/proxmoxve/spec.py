"""A small language for what a resource takes: nested properties, their types and defaults.

The official provider's schema knows some 300 properties of a VM. A resource here lists those that it
really carries to the API; `normalise` fills in the defaults and refuses every other one by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.plugins.base import UNKNOWN, Failure, Props


@dataclass(frozen=True)
class Value:
    """A plain value.

    Args:
        kind: `str`, `int`, `float` or `bool`.
        default: What the official provider assumes; None if it assumes nothing.
        allowed: The only values that are modelled; empty for all.
    """

    kind: type
    default: Any = None
    required: bool = False
    allowed: Sequence[Any] = ()


@dataclass(frozen=True)
class Items:
    """A list."""

    item: Value | Block
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class Block:
    """A nested object. Its defaults apply only where the block is given."""

    fields: Mapping[str, Value | Items | Block] = field(default_factory=dict)
    required: bool = False
    default: Any = None


_KINDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def normalise(values: Props, block: Block, path: str = "") -> tuple[Props, list[Failure]]:
    """The values with defaults filled in and nulls left out, and what is wrong with them."""
    failures = [
        Failure(_join(path, name), "the lab's proxmoxve plugin does not model this property")
        for name, value in values.items()
        if name not in block.fields and value is not None
    ]
    result: Props = {}
    for name, spec in block.fields.items():
        value = values.get(name)
        if value is None:
            if spec.required:
                failures.append(Failure(_join(path, name), "required, but missing"))
            value = spec.default
        if value is not None:
            result[name], problems = _convert(value, spec, _join(path, name))
            failures += problems
    return result, failures


def _convert(value: Any, spec: Value | Items | Block, path: str) -> tuple[Any, list[Failure]]:
    if value is UNKNOWN:
        return value, []
    if isinstance(spec, Block):
        if not isinstance(value, dict):
            return value, [Failure(path, f"must be an object, not {type(value).__name__}")]
        return normalise(value, spec, path)
    if isinstance(spec, Items):
        if not isinstance(value, list):
            return value, [Failure(path, f"must be a list, not {type(value).__name__}")]
        converted = [_convert(item, spec.item, f"{path}[{index}]") for index, item in enumerate(value)]
        return [item for item, _ in converted], [failure for _, failures in converted for failure in failures]
    if isinstance(value, bool) != (spec.kind is bool) or not isinstance(
        value, (int, float) if spec.kind is float else spec.kind
    ):
        return value, [Failure(path, f"must be {_KINDS[spec.kind]}, not {type(value).__name__}")]
    if spec.allowed and value not in spec.allowed:
        choices = ", ".join(map(str, spec.allowed))
        return value, [Failure(path, f"is {value!r}; the lab's proxmoxve plugin models only: {choices}")]
    return value, []


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
