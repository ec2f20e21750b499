"""The provider's configuration, and the modelled properties against the official schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.plugins.base import UNKNOWN, Props, ResourceError
from lab.plugins.proxmoxve import PLUGIN
from lab.plugins.proxmoxve.file import FILE
from lab.plugins.proxmoxve.settings import CONFIG
from lab.plugins.proxmoxve.spec import Block, Items, Value
from lab.plugins.proxmoxve.vm_spec import VM

SCHEMA = Path(__file__).parents[5] / "shared" / "schemas" / f"proxmoxve-{PLUGIN.version}.json"
TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}
GOOD = {"endpoint": "https://pve1.example.org:8006", "apiToken": "oss-nextgen@pve!pulumi=0000"}


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"apiToken": GOOD["apiToken"]}, "endpoint"),
        ({"endpoint": GOOD["endpoint"]}, "apiToken"),
        ({**GOOD, "apiToken": "top-secret"}, "apiToken"),
        ({**GOOD, "ssh": {}}, "ssh"),
        ({**GOOD, "password": "top-secret"}, "password"),
        ({**GOOD, "insecure": "yes"}, "insecure"),
    ],
)
def test_bad_configuration(inputs: Props, path: str) -> None:
    failures = PLUGIN.check_config(inputs, None)[1]
    assert [failure.property for failure in failures] == [path]
    assert "top-secret" not in failures[0].reason


def test_good_configuration() -> None:
    assert PLUGIN.check_config({**GOOD, "insecure": True}, None)[1] == []
    assert PLUGIN.check_config({"endpoint": UNKNOWN, "apiToken": UNKNOWN}, None)[1] == []


def test_unreachable_endpoint_is_named() -> None:
    settings = PLUGIN.configure({**GOOD, "endpoint": "https://127.84.255.1:1"})
    with pytest.raises(ResourceError, match=r"GET https://127.84.255.1:1/version"):
        settings.api.get("/version")
    settings.api.session.close()


def test_untrusted_certificate(proxmox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    settings = PLUGIN.configure({**GOOD, "endpoint": proxmox.url})
    with pytest.raises(ResourceError, match="CERTIFICATE_VERIFY_FAILED"):
        settings.api.get("/version")
    settings.api.session.close()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    if not SCHEMA.exists():
        pytest.skip(f"the official schemas are not at {SCHEMA.parent}")
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text())
    return loaded


@pytest.mark.parametrize(
    ("token", "block"),
    [
        ("proxmoxve:index/vmLegacy:VmLegacy", VM),
        ("proxmoxve:download/file:File", FILE),
        ("proxmoxve:download/fileLegacy:FileLegacy", FILE),
    ],
)
def test_modelled_inputs_are_the_official_ones(schema: dict[str, Any], token: str, block: Block) -> None:
    official = schema["resources"][token]
    assert {name for name, spec in block.fields.items() if spec.required} == set(official["requiredInputs"])
    assert list(differences(schema, official["inputProperties"], block)) == []


def test_modelled_configuration_is_the_official_one(schema: dict[str, Any]) -> None:
    assert list(differences(schema, schema["provider"]["inputProperties"], CONFIG)) == []


def differences(schema: dict[str, Any], properties: dict[str, Any], block: Block, path: str = "") -> Iterator[str]:
    for name, spec in block.fields.items():
        if name not in properties:
            yield f"{path}{name} is not there"
        else:
            yield from compare(schema, properties[name], spec, f"{path}{name}")


def compare(schema: dict[str, Any], official: dict[str, Any], spec: Value | Items | Block, path: str) -> Iterator[str]:
    if isinstance(spec, Value):
        if TYPES.get(official.get("type", "")) is not spec.kind:
            yield f"{path} is {official}"
    elif isinstance(spec, Items):
        yield from compare(schema, official["items"], spec.item, f"{path}[]")
    else:
        nested = schema["types"][official["$ref"].removeprefix("#/types/")]
        if set(nested.get("required", ())) != {name for name, one in spec.fields.items() if one.required}:
            yield f"{path} requires {nested.get('required')}"
        yield from differences(schema, nested["properties"], spec, f"{path}.")
