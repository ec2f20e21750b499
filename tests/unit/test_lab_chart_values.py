"""No value that a lab chart accepts is without effect: a setting that did nothing would be an invented success."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.chart_repository import CHARTS
from lab.toolchain.resolve import Toolchain

FIRST_NUMBER = 20001
"""Of the numbers that mark a value: ports that no chart has by default."""

# Everything switched on, and the two things that the lab does not model switched off.
ON: dict[str, dict[str, Any]] = {
    "metallb": {"frrk8s.enabled": False},
    "longhorn": {
        "ingress.enabled": True,
        "ingress.tls": True,
        "persistence.recurringJobSelector.enable": True,
        "persistence.defaultDiskSelector.enable": True,
        "persistence.defaultNodeSelector.enable": True,
    },
    "nginx-ingress": {"controller.podDisruptionBudget.enabled": True, "controller.readOnlyRootFilesystem": True},
    "authentik": {"serviceAccount.create": False, "server.ingress.enabled": True},
    "homepage": {"ingress.main.enabled": True, "serviceAccount.create": True},
}

# Values that others stand in the way of, and what it takes for them to count.
ALONE: dict[str, dict[str, dict[str, Any]]] = {
    "nginx-ingress": {"controller.strategy": {}},
    "authentik": {
        "authentik.existingSecret.secretName": {},
        "server.ingress.https": {"server.service.servicePortHttp": 81},
    }
    | {
        f"global.{name}": {}  # each is the default of the components' own
        for name in ("priorityClassName", "nodeSelector", "tolerations")
    },
    "homepage": {f"config.{name}String": {f"config.{name}": []} for name in ("bookmarks", "services", "widgets")}
    | {f"config.{name}String": {f"config.{name}": None} for name in ("kubernetes", "docker", "settings")}
    | {"config.useExistingConfigMap": {}, "image.tag": {}},
    "longhorn": {f"global.{name}": {} for name in ("tolerations", "nodeSelector")},
}


@dataclass(frozen=True)
class Leaf:
    """A value of a chart: where it is, what the schema says of it, and what it is by default."""

    path: str
    schema: Mapping[str, Any]
    default: Any

    @property
    def markable(self) -> bool:
        """Whether it can be set to something that is then found in the manifest."""
        return not (
            {"enum", "const", "pattern"} & self.schema.keys()
            or self.schema.get("type") == "boolean"
            or self.schema.get("maximum", FIRST_NUMBER) < FIRST_NUMBER
        )

    def marked(self, number: int) -> tuple[Any, str]:
        """A value for it, and the text by which that is known."""
        marker = f"mark{number}"
        shapes: dict[str, Any] = {"string": marker, "integer": number, "object": {marker: marker}}
        kind = self.schema["type"]
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "array":
            items = self.schema.get("items", {"type": "object"})
            return [_item(items, marker) if items["type"] == "object" else marker], marker
        return shapes[kind], str(number) if kind == "integer" else marker

    def other(self) -> Any:
        """A value that is not the default."""
        if "enum" in self.schema:
            return next(value for value in self.schema["enum"] if value not in (self.default, ""))
        if "pattern" in self.schema:
            return "some/thing"
        return not self.default if self.schema.get("type") == "boolean" else (self.default or 0) + 1


def _item(schema: Mapping[str, Any], marker: str) -> dict[str, Any]:
    if "required" not in schema:
        return {"name": marker}
    return {name: marker if part.get("type") == "string" else [] for name, part in schema["properties"].items()}


def leaves(chart: str) -> Iterator[Leaf]:
    """Every value that the chart's schema names, but what must stay off."""
    document = json.loads((CHARTS / chart / "values.schema.json").read_text())

    def walk(schema: Mapping[str, Any], path: str, default: Any) -> Iterator[Leaf]:
        if "$ref" in schema:
            schema = document["$defs"][schema["$ref"].rpartition("/")[2]]
        if "properties" in schema:
            for name, part in schema["properties"].items():
                yield from walk(part, f"{path}.{name}" if path else name, (default or {}).get(name))
        elif "const" not in schema:
            yield Leaf(path, schema, ON[chart].get(path, default))

    yield from walk(document, "", yaml.safe_load((CHARTS / chart / "values.yaml").read_text()))


def render(chart: str, values: Mapping[str, Any]) -> str:
    """The manifest with these values (path -> value) over those that switch everything on."""
    tree: dict[str, Any] = {}
    for path, value in {**ON[chart], **values}.items():
        *parents, name = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    helm = Toolchain().ensure(["helm"])["helm"].path
    command = [str(helm), "template", chart, str(CHARTS / chart), "--kube-version=1.35.4", "--values=-"]
    result = subprocess.run(command, input=json.dumps(tree), capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{sorted(values)}: {result.stderr}"
    # A checksum of all values would show every one of them.
    return "\n".join(line for line in result.stdout.splitlines() if "checksum" not in line)


def _shown(marker: str, manifest: str) -> bool:
    return marker in manifest or base64.b64encode(marker.encode()).decode() in manifest


@pytest.mark.parametrize("chart", sorted(ON))
def test_every_accepted_value_has_an_effect(chart: str) -> None:
    alone = ALONE.get(chart, {})
    markable = [leaf for leaf in leaves(chart) if leaf.markable and leaf.path not in alone]
    marks = {leaf.path: leaf.marked(FIRST_NUMBER + index) for index, leaf in enumerate(markable)}
    manifest = render(chart, {path: value for path, (value, _) in marks.items()})
    ignored = [path for path, (_, marker) in marks.items() if not _shown(marker, manifest)]

    plain = render(chart, {})
    for leaf in leaves(chart):
        if leaf.path not in marks:
            context = alone.get(leaf.path, {})
            before = render(chart, context) if context else plain
            value = leaf.marked(FIRST_NUMBER)[0] if leaf.markable else leaf.other()
            if render(chart, {**context, leaf.path: value}) == before:
                ignored.append(f"{leaf.path}={value}")
    assert ignored == []


def test_the_paths_of_these_tables_exist() -> None:
    for chart in ON:
        known = {leaf.path for leaf in leaves(chart)} | set(ON[chart])
        assert ALONE.get(chart, {}).keys() <= known


def test_charts_are_all_covered() -> None:
    assert sorted(ON) == sorted(path.name for path in Path(CHARTS).glob("*/"))
