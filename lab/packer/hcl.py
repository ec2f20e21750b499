"""Reading a Packer template in HCL: one source, one build, variables from the environment.

Only what the product's template uses is read: `var.<name>`, `path.root`, strings that hold them,
lists, maps, numbers and booleans. Anything else is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions
from lark.exceptions import LarkError

Value = str | int | float | bool | list[Any] | dict[str, Any] | None
Lookup = Callable[[str], Value]
"""Name of a variable -> its value."""

_PARSER = SerializationOptions(with_comments=False, preserve_heredocs=False)
_BLOCK_MARK = "__is_block__"
_INTERPOLATION = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_CONVERSIONS: Mapping[str, Callable[[str], Value]] = {
    "string": str,
    "number": lambda text: json.loads(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else _not_a("number", text),
    "bool": lambda text: {"true": True, "false": False}[text] if text in ("true", "false") else _not_a("bool", text),
}


class TemplateError(Exception):
    """The template, or a variable, is wrong or beyond what the lab translates."""


@dataclass(frozen=True)
class Variable:
    """One `variable` block with its value."""

    name: str
    value: Value
    sensitive: bool


@dataclass(frozen=True)
class Provisioner:
    """One `provisioner` block, not evaluated."""

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """One source and its build; bodies are not evaluated."""

    folder: Path
    variables: Mapping[str, Variable]
    source_type: str
    source_name: str
    source: Mapping[str, Any]
    provisioners: tuple[Provisioner, ...]


def load(folder: Path, environment: Mapping[str, str]) -> Template:
    """Read every `*.pkr.hcl` of a folder.

    Args:
        folder: Where the template is.
        environment: Holds the variables, as `PKR_VAR_<name>`.

    Raises:
        TemplateError: naming the block, attribute or variable.
    """
    blocks = _blocks(folder)
    source_type, source_name, source = _source(blocks)
    build = _only("build", blocks)
    if [_text(item) for item in build.pop("sources", [])] != [f"source.{source_type}.{source_name}"]:
        raise TemplateError(f"build: sources must be the one source, source.{source_type}.{source_name}")
    provisioners = tuple(Provisioner(*_labelled(block, "provisioner")) for block in build.pop("provisioner", []))
    _refuse_rest("build", build)
    return Template(
        folder=folder,
        variables=_variables(blocks.get("variable", []), environment),
        source_type=source_type,
        source_name=source_name,
        source=source,
        provisioners=provisioners,
    )


def required_plugins(folder: Path) -> dict[str, str]:
    """Address of each required plugin -> version constraint."""
    return _plugins(_only("packer", _blocks(folder)))


def evaluate(value: Any, folder: Path, variable: Lookup) -> Value:
    """Value of an attribute.

    Args:
        value: As `Template` holds it.
        folder: What `path.root` is.
        variable: Gives the value of a variable.
    """
    if isinstance(value, dict):
        return {_text(key): evaluate(item, folder, variable) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, folder, variable) for item in value]
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]  # the parser's numbers, booleans and null

    def expression(text: str) -> Value:
        if text == "path.root":
            return str(folder)
        if match := re.fullmatch(r"var\.([A-Za-z_]\w*)", text):
            return variable(match[1])
        raise TemplateError(f"the lab's packer does not evaluate the expression {text!r}")

    if not value.startswith('"'):
        match = _INTERPOLATION.fullmatch(value)
        return expression(match[1] if match else value)
    return _INTERPOLATION.sub(lambda match: _to_string(expression(match[1])), _text(value))


def is_block(value: Any) -> bool:
    """Whether an item of a body is a list of nested blocks."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and _BLOCK_MARK in v for v in value)


def block_body(block: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a nested block."""
    return {key: value for key, value in block.items() if key != _BLOCK_MARK}


def _blocks(folder: Path) -> dict[str, list[dict[str, Any]]]:
    files = sorted(folder.glob("*.pkr.hcl"))
    if not files:
        raise TemplateError(f"{folder}: no *.pkr.hcl file. Name the folder that holds the template.")
    blocks: dict[str, list[dict[str, Any]]] = {}
    for path in files:
        with path.open() as file:
            try:
                parsed = hcl2.load(file, serialization_options=_PARSER)
            except LarkError as error:
                raise TemplateError(f"{path}: {str(error).splitlines()[0]}") from None
        for name, items in parsed.items():
            blocks.setdefault(name, []).extend(items)
    unknown = blocks.keys() - {"packer", "variable", "source", "build"}
    if unknown:
        raise TemplateError(f"the lab's packer does not translate the block {', '.join(sorted(unknown))}")
    return blocks


def _only(name: str, blocks: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    found = blocks.get(name, [])
    if len(found) != 1:
        raise TemplateError(f"expected one {name} block, found {len(found)}")
    return block_body(found[0])


def _labelled(block: Mapping[str, Any], what: str) -> tuple[str, dict[str, Any]]:
    labels = list(block_body(block).items())
    if len(labels) != 1:
        raise TemplateError(f"a {what} block without its label")
    return _text(labels[0][0]), block_body(labels[0][1])


def _source(blocks: Mapping[str, list[dict[str, Any]]]) -> tuple[str, str, dict[str, Any]]:
    found = blocks.get("source", [])
    if len(found) != 1:
        raise TemplateError(f"expected one source block, found {len(found)}")
    kind, rest = _labelled(found[0], "source")
    name, body = _labelled(rest, "source")
    return kind, name, body


def _plugins(packer: dict[str, Any]) -> dict[str, str]:
    packer.pop("required_version", None)
    plugins: dict[str, str] = {}
    for block in packer.pop("required_plugins", []):
        for plugin in block_body(block).values():
            plugins[_text(plugin["source"])] = _text(plugin["version"])
    _refuse_rest("packer", packer)
    return plugins


def _variables(blocks: list[dict[str, Any]], environment: Mapping[str, str]) -> dict[str, Variable]:
    variables, missing = {}, []
    for block in blocks:
        name, body = _labelled(block, "variable")
        kind = str(body.pop("type", "string"))
        default, sensitive = body.pop("default", None), bool(body.pop("sensitive", False))
        body.pop("description", None)
        _refuse_rest(f"variable {name}", body)
        if kind not in _CONVERSIONS:
            raise TemplateError(f"variable {name}: the lab's packer does not translate the type {kind}")
        text = environment.get(f"PKR_VAR_{name}")
        if text is None and default is None:
            missing.append(name)
            continue
        try:
            value = evaluate(default, Path(), _no_variable) if text is None else _CONVERSIONS[kind](text)
        except ValueError:
            raise TemplateError(f"variable {name}: PKR_VAR_{name} is no {kind}") from None
        variables[name] = Variable(name, value, sensitive)
    if missing:
        raise TemplateError(f"no value for {', '.join(missing)}: set PKR_VAR_<name> in the environment")
    return variables


def _no_variable(name: str) -> Value:
    raise TemplateError(f"a default may not use var.{name}")


def _not_a(kind: str, text: str) -> Value:
    raise ValueError(f"{text!r} is no {kind}")


def _refuse_rest(where: str, body: Mapping[str, Any]) -> None:
    rest = [key for key in body if key != _BLOCK_MARK]
    if rest:
        raise TemplateError(f"{where}: the lab's packer does not translate {', '.join(sorted(rest))}")


def _text(literal: str) -> str:
    """A quoted string without its quotes and escapes; a bare name as it is."""
    if not (len(literal) > 1 and literal.startswith('"') and literal.endswith('"')):
        return literal
    if "$${" in literal or "%{" in literal:
        raise TemplateError(f"the lab's packer does not translate the string {literal}")
    return "".join(_unescape(literal[1:-1]))


def _unescape(text: str) -> Iterator[str]:
    escapes = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
    for plain, escape in re.findall(r"([^\\]+)|\\(.)", text, re.DOTALL):
        if escape and escape not in escapes:
            raise TemplateError(f"the lab's packer does not translate the escape \\{escape}")
        yield plain or escapes[escape]


def _to_string(value: Value) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
