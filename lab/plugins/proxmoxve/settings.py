"""The provider's configuration, and what it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.plugins.base import UNKNOWN, Failure, Props
from lab.plugins.proxmoxve.api import Api
from lab.plugins.proxmoxve.spec import Block, Value, normalise

CONFIG = Block(
    {
        "endpoint": Value(str, required=True),
        "apiToken": Value(str, required=True),
        "insecure": Value(bool, default=False),
        "randomVmIds": Value(bool, default=False),
        "randomVmIdStart": Value(int, default=10_000),
        "randomVmIdEnd": Value(int, default=99_999),
    }
)
TOKEN = re.compile(r"^[^@!=\s]+@[^@!=\s]+![^@!=\s]+=[^=\s]+$")


@dataclass(frozen=True)
class Settings:
    """What the operations of one provider instance need."""

    api: Api
    random_vm_ids: bool
    vm_ids: range
    """VMIDs for VMs that ask for none."""


def check(inputs: Props) -> list[Failure]:
    """What is wrong with a configuration. It may hold unknown values."""
    values, failures = normalise(inputs, CONFIG)
    token = values.get("apiToken", UNKNOWN)
    if isinstance(token, str) and not TOKEN.match(token):
        failures.append(Failure("apiToken", "must have the form user@realm!tokenid=uuid"))
    return failures


def load(args: Props) -> Settings:
    """A checked configuration as `Settings`."""
    values, _ = normalise(args, CONFIG)
    random_ids = values["randomVmIds"]
    numbers = range(values["randomVmIdStart"], values["randomVmIdEnd"] + 1) if random_ids else range(100, 1_000_000)
    api = Api(values["endpoint"], values["apiToken"], values["insecure"])
    return Settings(api=api, random_vm_ids=random_ids, vm_ids=numbers)
