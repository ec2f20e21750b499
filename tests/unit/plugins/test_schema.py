"""Every modelled resource against the official plugin's published schema.

The schemas lie beside the repository (`../shared/schemas`) and are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from lab.layout import REPOSITORY
from lab.plugins import PLUGINS, load, responses, wire
from lab.plugins.base import UNKNOWN, Call, Props, Resource

SCHEMAS = REPOSITORY.parent / "shared" / "schemas"
WITHOUT_SCHEMA = {"kubernetes"}  # the API server itself validates

RESOURCES = [
    pytest.param(name, token, id=token)
    for name in PLUGINS
    if name not in WITHOUT_SCHEMA
    for token in load(name).resources
]

SAMPLES: Mapping[str, Any] = {
    "string": "text",
    "integer": 4,
    "number": 4,
    "boolean": True,
    "array": [],
    "object": {},
}
VALID: Mapping[str, Any] = {
    "algorithm": "ED25519",
    "contentType": "iso",
    "url": "https://example.org/debian.iso",
    "connection": {"host": "example.org"},
}
"""Required inputs whose values are restricted further than their type."""


@cache
def schema(name: str) -> dict[str, Any]:
    path = SCHEMAS / f"{name}-{load(name).version}.json"
    if not path.exists():
        pytest.skip(f"the published schema {path} is not there: conformance is not tested")
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def circumstances(token: str) -> Call:
    return Call(config=None, urn=f"urn:pulumi:dev::project::{token}::name")


def modelled(name: str, token: str) -> tuple[Resource, dict[str, Any]]:
    official = schema(name)["resources"]
    assert token in official, f"the official {name} plugin has no such resource"
    return load(name).resources[token], official[token]


def minimal(definition: dict[str, Any]) -> Props:
    """Just the required inputs."""
    properties = definition["inputProperties"]
    return {
        name: VALID.get(name, SAMPLES[properties[name].get("type", "object")]) for name in definition["requiredInputs"]
    }


def failing(resource: Resource, inputs: Props) -> list[str]:
    return [failure.property for failure in resource.check(inputs, None, circumstances(resource.token))[1]]


def nested(name: str, definition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each input that has properties of its own -> a value with a property that is not one of them."""
    types = schema(name)["types"]
    for key, prop in definition["inputProperties"].items():
        reference = (prop.get("items") or prop).get("$ref", "")
        if types.get(reference.removeprefix("#/types/"), {}).get("properties"):
            wrong: Any = {"notAProperty": "x"}
            yield key, [wrong] if "items" in prop else wrong


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_required_inputs_suffice(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    assert failing(resource, minimal(definition)) == []


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_required_inputs_are_demanded(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    assert set(failing(resource, {})) >= set(definition["requiredInputs"])


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_required_inputs_may_be_unknown(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    assert failing(resource, dict.fromkeys(definition["requiredInputs"], UNKNOWN)) == []


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_other_inputs_are_refused_by_name(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    assert failing(resource, {**minimal(definition), "notAnInput": 1}) == ["notAnInput"]


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_other_nested_inputs_are_refused_by_name(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    for key, value in nested(name, definition):
        found = failing(resource, {**minimal(definition), key: value})
        assert found, f"{key}: {value} is accepted"
        assert all(path.startswith(key) for path in found)


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_modelled_inputs_are_official_ones(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    official = definition["inputProperties"]
    types = {key: official[key].get("type", "object") for key in official}
    # A `$ref` to an enumeration is a string.
    for key, prop in official.items():
        if "enum" in schema(name)["types"].get(prop.get("$ref", "").removeprefix("#/types/"), {}):
            types[key] = "string"
    assert (resource.inputs or {}).items() <= types.items()


@pytest.mark.parametrize(("name", "token"), RESOURCES)
def test_required_outputs_are_returned_and_secrets_marked(name: str, token: str) -> None:
    resource, definition = modelled(name, token)
    call = circumstances(token)
    inputs, _ = resource.check(minimal(definition), None, call)
    outputs, secrets = wire.decode_map(responses.outputs(resource, resource.preview_create(inputs, call)))
    official = definition["properties"]
    assert outputs.keys() >= set(definition["required"])
    assert outputs.keys() <= official.keys()
    assert isinstance(secrets, dict)
    assert secrets.keys() == {key for key in outputs if official[key].get("secret")}


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        ("random:index/randomPassword:RandomPassword", {"length": 8}),
        ("random:index/randomString:RandomString", {"length": 8}),
        ("random:index/randomId:RandomId", {"byteLength": 4}),
        ("random:index/randomUuid:RandomUuid", {}),
        ("tls:index/privateKey:PrivateKey", {"algorithm": "ED25519"}),
        ("command:local:Command", {"create": "true"}),
    ],
)
def test_what_is_created_is_what_the_preview_said(token: str, inputs: Props) -> None:
    name = token.partition(":")[0]
    resource, definition = modelled(name, token)
    call = circumstances(token)
    preview = resource.preview_create(inputs, call)
    _, outputs = resource.create(inputs, call)
    assert preview.keys() == outputs.keys()
    assert outputs.keys() >= set(definition["required"])
    assert all(value is UNKNOWN or value == outputs[key] for key, value in preview.items())
