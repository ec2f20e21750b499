"""The format of Authentik's blueprints: entries, tags, and their text. Pure functions: no Pulumi.

https://docs.goauthentik.io/customize/blueprints/ describes it. An entry brings one object, found by its identifiers, to
a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Entry = dict[str, Any]


@dataclass(frozen=True)
class Tag:
    """A tag of the format, such as `!KeyOf group`: replaced when Authentik applies the file."""

    name: str
    value: Any


def entry(model: str, id: str, identifiers: dict[str, Any], state: str = "present", /, **attrs: Any) -> Entry:
    """An entry, which those after it know by its ID."""
    return {"model": model, "id": id, "state": state, "identifiers": identifiers, "attrs": attrs}


def key(kind: str, name: str) -> str:
    """ID of the entry of an object."""
    return f"{kind}-{name}"


def key_of(kind: str, name: str) -> Tag:
    """The object of the entry with this ID."""
    return Tag("KeyOf", key(kind, name))


def formatted(pattern: str, value: Tag) -> Tag:
    """`pattern` with `value` for `%s`."""
    return Tag("Format", [pattern, value])


def first(name: str, brings: Tag) -> Entry:
    """Apply Authentik's own blueprint of this name first, which brings what the entries that follow find.

    Not where that is there: each time that our file is applied, all that an administrator has changed of it would be
    as it was.
    """
    return {
        "model": "authentik_blueprints.metaapplyblueprint",
        "conditions": [Tag("Condition", ["NOR", brings])],
        "attrs": {"identifiers": {"name": name}, "required": True},
    }


class _Dumper(yaml.SafeDumper):
    """Writes tags; no aliases, which Authentik's own files have none of."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, tag: Tag) -> yaml.Node:
    if isinstance(tag.value, list):
        return dumper.represent_sequence(f"!{tag.name}", tag.value, flow_style=True)
    return dumper.represent_scalar(f"!{tag.name}", tag.value)


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(Tag, _represent)
_Dumper.add_representer(str, _text_node)


def text(name: str, entries: Sequence[Entry]) -> str:
    """The file of a blueprint."""
    content = {"version": 1, "metadata": {"name": name}, "entries": list(entries)}
    written: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120)
    return written
