"""YAML as the engine reads it.

The engine's parser, yaml.v3 of Go (https://github.com/go-yaml/yaml/tree/v3, resolve.go), differs from PyYAML: `22:00`
is no number and `yes` no truth, and a mapping that has a key twice is refused.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

_TAG = "tag:yaml.org,2002:"
_DIGITS = "0123456789"
_SURROGATE = re.compile("[\ud800-\udfff]")


class EngineError(yaml.MarkedYAMLError):
    """What PyYAML would take and the engine refuses. `problem` quotes nothing of the file."""


def load(text: str) -> Any:
    """The document that a text holds.

    Raises:
        EngineError: where the engine is stricter than PyYAML.
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - the loader makes plain values only


class _Loader(yaml.SafeLoader):
    """Makes text, numbers, truth, null, lists and mappings; dates stay text, and other tags are refused."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (None, *(_TAG + kind for kind in ("null", "bool", "str", "seq", "map")))
    }

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if _SURROGATE.search(node.value):
            raise EngineError(problem="an escape of half a character", problem_mark=node.start_mark)
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise EngineError(problem="a key that is there already", problem_mark=key.start_mark)
                keys.add(key.value)
        return node


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    digits = node.value.replace("_", "")
    # A zero before other digits means octal, as in YAML 1.1; Python wants to see 0o.
    return int(re.sub(r"^([-+]?0)(?=\d)", r"\1o", digits), 0)


def _float(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    value = float(node.value.replace("_", ""))
    # The engine hands 75.0 to the program as JSON, where Go writes 75.
    return int(value) if value.is_integer() else value


_RESOLVED = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ("~", "n", "N", "")),
    "merge": (r"<<", "<"),
    # Before decimal numbers, which are what is left, such as 08.
    "int": (
        r"[-+]?(0[bB]_*[01][01_]*|0[oO]_*[0-7][0-7_]*|0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*|[1-9][0-9_]*)",
        f"-+{_DIGITS}",
    ),
    "float": (r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", f"-+.{_DIGITS}"),
}
"""Kind -> what a value without quotes looks like, and the characters that it begins with."""

_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _RESOLVED.items():
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^({_pattern})$"), list(_first))
_Loader.add_constructor(_TAG + "int", _integer)
_Loader.add_constructor(_TAG + "float", _float)
