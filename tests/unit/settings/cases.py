"""A site that is right, and how the tests of its rules break it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from settings import Settings, SettingsError

Raw = dict[str, Any]

TOKEN = "ossng@pve!pulumi=6f1d1c5e-2b1f-4a55-9d0e-7a3f0c9b8e21"

VALID: Raw = {
    "proxmoxApiToken": SecretStr(TOKEN),
    "site": "paris",
    "domains": ["ef-fr.dev", "ef-fr.io"],
    "proxmox": {"endpoint": "https://10.75.10.5:8006", "nodes": ["pve1", "pve2"], "vmIdBase": 2000},
    "network": {
        "cidr": "10.75.10.0/24",
        "dhcp": {"first": "10.75.10.100", "last": "10.75.10.199"},
        "loadBalancers": {"first": "10.75.10.200", "last": "10.75.10.239"},
    },
    "kubernetes": {"apiServer": "10.75.10.10"},
    "pools": [
        {"name": "masters", "role": "control-plane", "count": 3, "vmIdOffset": 101},
        {"name": "workers", "role": "worker", "count": 3, "vmIdOffset": 201},
    ],
}


def problems_of(raw: Raw, *, stack: str = "paris", secrets_required: bool = True) -> dict[str, list[str]]:
    """Rule -> its lines, of a configuration that must not be accepted."""
    with pytest.raises(SettingsError) as caught:
        Settings.parse("Pulumi.paris.yaml", stack, raw, secrets_required=secrets_required)
    lines: dict[str, list[str]] = {}
    for problem in caught.value.problems:
        lines.setdefault(problem.rule, []).append(str(problem))
    return lines


@dataclass(frozen=True)
class Case:
    """A rule, the change that breaks it alone, and parts of the line that says so."""

    rule: str
    change: Callable[[Raw], object]
    says: tuple[str, ...]


def put(path: str, value: object) -> Callable[[Raw], None]:
    """A change that sets the value at a path such as `pools.0.count`."""

    def change(raw: Raw) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        target: Any = raw
        for part in parents:
            target = target[part] if isinstance(part, int) else target.setdefault(part, {})
        target[last] = value

    return change


def drop(path: str) -> Callable[[Raw], None]:
    """A change that removes the key at a path."""

    def change(raw: Raw) -> None:
        *parents, last = path.split(".")
        target: Any = raw
        for part in parents:
            target = target[int(part)] if part.isdigit() else target[part]
        del target[last]

    return change


EXTERNAL = {"name": "nas", "host": "nas.ef-fr.dev", "address": "10.75.10.6", "port": 443, "verify": False}
SERVICES = {"dnsAddress": "10.75.10.200", "ingressAddress": "10.75.10.201"}
STORAGE_POOL = {"name": "store", "role": "storage", "count": 5, "vmIdOffset": 301}


def assert_refused(case: Case, valid: Raw) -> None:
    """The change breaks its own rule alone, and the line says so without a secret."""
    raw = copy.deepcopy(valid)
    case.change(raw)

    problems = problems_of(raw)

    assert list(problems) == [case.rule]
    line = problems[case.rule][0]
    assert all(part in line for part in case.says), line
    assert "s3cret" not in line
    assert TOKEN not in line
