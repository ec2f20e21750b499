"""The JSON Schema that editors check stack files with."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from settings import PROJECT, SettingsError
from settings.__main__ import main
from settings.stack import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLISHED = REPOSITORY / "docs" / "stack.schema.json"
STACK_FILES = sorted(REPOSITORY.glob("Pulumi.*.yaml"))
Config = dict[str, Any]


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_published_schema_is_current(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["settings", "schema"])
    assert main() == 0
    assert capsys.readouterr().out == PUBLISHED.read_text(), "python -m settings schema > docs/stack.schema.json"


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_every_stack_file_names_it_and_is_valid(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={PUBLISHED.relative_to(REPOSITORY)}"
    validator().validate(yaml.safe_load(path.read_text()))


def test_what_the_engine_adds_is_valid() -> None:
    document = yaml.safe_load((REPOSITORY / "Pulumi.paris.yaml").read_text())
    document["config"] |= {
        f"{PROJECT}:proxmoxApiToken": {"secure": "v1:AAAA"},
        f"{PROJECT}:dnsTransferKey": {"secure": "v1:AAAA"},
        "pulumi:disable-default-providers": ["random"],
    }
    validator().validate({"encryptionsalt": "v1:AAAA", "secretsprovider": "passphrase", **document})


def put(*path: str | int, value: object) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        *parents, last = path
        target: Any = config
        for part in (f"{PROJECT}:{parents[0]}", *parents[1:]) if parents else ():
            target = target[part]
        target[last if parents else f"{PROJECT}:{last}"] = value

    return change


REFUSED: dict[str, Callable[[Config], object]] = {
    "unknown section": put("netwrok", value={}),
    "unknown key": put("network", "brige", value="vmbr1"),
    "unknown key of a list's entry": put("pools", 0, "cpus", value=4),
    "missing section": lambda config: config.pop(f"{PROJECT}:pools"),
    "missing key": lambda config: config[f"{PROJECT}:network"].pop("dhcp"),
    "number as text": put("network", "vlan", value="75"),
    "text as number": put("kubernetes", "version", value=1.35),
    "truth as text": put("protection", value="yes"),
    "one value for a list": put("domains", value="ef-fr.dev"),
    "empty list": put("domains", value=[]),
    "too small": put("proxmox", "vmIdBase", value=99),
    "unknown role": put("pools", 0, "role", value="etcd"),
    "no name": put("pools", 0, "name", value="Masters"),
    "no address": put("services", "dnsAddress", value="ns1.ef-fr.dev"),
    "no network": put("network", "cidr", value="10.75.10.0"),
    "no URL": put("proxmox", "endpoint", value="pve.paris.ef-fr.dev"),
    "secret in clear": put("proxmoxApiToken", value="ossng@pve!pulumi=6f1d1c5e-2b1f-4a55-9d0e-7a3f0c9b8e21"),
    "secret elsewhere": put("access", value={"user": {"secure": "v1:AAAA"}}),
    "another namespace": lambda config: config.update({"proxmoxve:endpoint": "https://pve"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_what_the_model_refuses(case: str, tmp_path: Path) -> None:
    document = copy.deepcopy(yaml.safe_load((REPOSITORY / "Pulumi.paris.yaml").read_text()))
    REFUSED[case](document["config"])
    path = tmp_path / "Pulumi.paris.yaml"
    path.write_text(yaml.safe_dump(document))

    with pytest.raises(SettingsError):
        Settings.read(path)
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(document)
