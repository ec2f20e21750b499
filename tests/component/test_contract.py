"""What a version of the outputs has promised once it was published, and that the schema of today keeps it.

`outputs.v1.json` is that promise, a line for each value. No command writes it: the line of a new value is added by
hand, and what has a line keeps to it until `SCHEMA_VERSION` is another, which has a file of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import outputs
from tests.component.test_outputs import holds_secret

FOLDER = Path(__file__).parent
Schema = dict[str, Any]
Promises = dict[str, Schema]
"""Path of a value -> its type, whether it is always there, whether it is a secret or has a part that is."""


def promised() -> Promises:
    found: Promises = json.loads((FOLDER / f"outputs.v{outputs.SCHEMA_VERSION}.json").read_text())
    return found


def flat(schema: Schema) -> Promises:
    """What a schema promises: `nodes[].vmId` is in each item of a list, `kubeconfigs{}` at any key of a mapping."""
    return dict(_walk("", schema, schema["$defs"], required=True))


def _walk(path: str, schema: Schema, definitions: Schema, *, required: bool) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].removeprefix("#/$defs/")], **schema}
    if path:
        promise: Schema = {key: schema[key] for key in ("type", "const", "enum") if key in schema}
        yield path, {**promise, "required": required, "secret": holds_secret(schema, definitions)}
    for key, value in schema.get("properties", {}).items():
        needed = key in schema.get("required", ())
        yield from _walk(f"{path}.{key}".removeprefix("."), value, definitions, required=needed)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from _walk(f"{path}{mark}", schema[key], definitions, required=True)


def broken(promises: Promises, schema: Schema) -> list[str]:
    """Promises that the schema does not keep. What else it has breaks none."""
    now = flat(schema)
    found = [f"{path} is gone" for path in promises if path not in now]
    for path, before in promises.items():
        after = now.get(path, before)
        if before["required"] and not after["required"]:
            found.append(f"{path} may be absent")
        # A program that reads a plain value stops at a secret: a mark may no more come than go.
        kinds = (key for key in ("type", "const", "enum", "secret") if before.get(key) != after.get(key))
        found += [f"{path}: {key} was {before.get(key)}, is {after.get(key)}" for key in kinds]
    return found


def test_a_published_version_keeps_its_promises() -> None:
    assert broken(promised(), outputs.schema()) == [], "such a change is another SCHEMA_VERSION"


def test_every_value_is_promised() -> None:
    lines = {path: f"{json.dumps(path)}: {json.dumps(promise)}" for path, promise in flat(outputs.schema()).items()}
    missing = [line for path, line in lines.items() if path not in promised()]
    assert missing == [], f"add to outputs.v{outputs.SCHEMA_VERSION}.json"


def _at(schema: Schema, path: str) -> Schema:
    """Model or value of a schema: `Node`, `Node.vmId`; `.site` is one of the outputs themselves."""
    model, _, key = path.partition(".")
    found: Schema = schema["$defs"][model] if model else schema
    return found["properties"][key] if key else found


def put(path: str, **values: Any) -> Callable[[Schema], None]:
    return lambda schema: _at(schema, path).update(values)


def drop(path: str, key: str) -> Callable[[Schema], None]:
    return lambda schema: _at(schema, path).pop(key)


def remove(model: str, key: str) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found = _at(schema, model) if model else schema
        del found["properties"][key]
        found["required"] = [each for each in found["required"] if each != key]

    return change


def not_required(model: str, key: str) -> Callable[[Schema], None]:
    return lambda schema: (_at(schema, model) if model else schema)["required"].remove(key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove("", "storageClass"), ["storageClass is gone"]),
        (remove("DnsApi", "apiUrl"), ["dns.apiUrl is gone"]),
        (remove("Node", "vmId"), ["nodes[].vmId is gone"]),
        (remove("Directories", "etcd"), ["backup.sites{}.etcd is gone"]),
        (
            remove("Backup", "dnsServer"),
            ["backup.dnsServer is gone", "backup.dnsServer.address is gone", "backup.dnsServer.port is gone"],
        ),
        (put(".site", type="integer"), ["site: type was string, is integer"]),
        (put("Image.vmId", type="string"), ["image.vmId: type was integer, is string"]),
        (put(".domains", items={"type": "integer"}), ["domains[]: type was string, is integer"]),
        (put(".tlsSecrets", additionalProperties=True), ["tlsSecrets{} is gone", "tlsSecrets{}[] is gone"]),
        (drop("Node.role", "enum"), ["nodes[].role: enum was ['control-plane', 'worker', 'storage'], is None"]),
        (put(".schemaVersion", const=2), ["schemaVersion: const was 1, is 2"]),
        (not_required("", "image"), ["image may be absent"]),
        (not_required("Authentik", "bindDn"), ["authentik.bindDn may be absent"]),
        (drop(".kubeconfig", "secret"), ["kubeconfig: secret was True, is False"]),
        (
            drop("DnsApi.apiKey", "secret"),
            ["dns: secret was True, is False", "dns.apiKey: secret was True, is False"],
        ),
        (
            put(".kubeconfigs", additionalProperties={"type": "string"}),
            ["kubeconfigs: secret was True, is False", "kubeconfigs{}: secret was True, is False"],
        ),
        (put(".homepageUrl", secret=True), ["homepageUrl: secret was False, is True"]),
        (
            lambda schema: _at(schema, "Image")["properties"].update(token={"type": "string", "secret": True}),
            ["image: secret was False, is True"],
        ),
    ],
)
def test_a_broken_promise_is_named(change: Callable[[Schema], None], said: list[str]) -> None:
    schema = outputs.schema()
    change(schema)
    assert broken(promised(), schema) == said


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].update(ntpServer={"type": "string"}),
        lambda schema: _at(schema, "Server")["properties"].update(tlsPort={"type": "integer"}),
        lambda schema: schema["required"].append("storageClass"),
        put("Node.vmId", description="In other words.", examples=[1]),
    ],
    ids=["an output", "a key in it", "always there", "its words"],
)
def test_an_addition_breaks_nothing(change: Callable[[Schema], None]) -> None:
    schema = outputs.schema()
    change(schema)
    assert broken(promised(), schema) == []
