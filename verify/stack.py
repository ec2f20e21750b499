"""What there is to know of a stack: its settings, its outputs, its Proxmox VE token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from components import engine
from settings import PROJECT, Settings
from verify.checks import CheckFailed

T = TypeVar("T")
TIMEOUT = 60
"""Seconds. The state may be far away."""


class StackError(Exception):
    """The stack cannot be read: nothing can be checked."""


@dataclass(frozen=True)
class Stack:
    """One stack after `pulumi up`."""

    settings: Settings
    outputs: Mapping[str, Any] = field(repr=False)
    api_token: str = field(repr=False)
    """`user@realm!tokenid=uuid`."""

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a stack of the project in the current folder.

        Raises:
            StackError: it has no outputs, or the file is another stack's.
            EngineError: the engine refused.
            settings.SettingsError: the stack file is not valid.
        """
        file = engine.stack_file(name)
        settings = Settings.read(file)
        if settings.site != name:
            raise StackError(f"PULUMI_OPTION_CONFIG_FILE={file} is the stack file of {settings.site}, not of {name}")
        printed = engine.run("stack", "output", "--json", "--show-secrets", "--stack", name, timeout=TIMEOUT)
        outputs = json.loads(printed)
        if not outputs:
            raise StackError(f"the stack {name} has no outputs: run `pulumi up -s {name}` first")
        token = engine.run("config", "get", f"{PROJECT}:proxmoxApiToken", "--stack", name, timeout=TIMEOUT)
        return cls(settings, outputs, token.strip())

    def output(self, key: str, form: type[T]) -> T:
        """One output of the contract (docs/outputs.schema.json).

        Args:
            key: Its name.
            form: The part of its type that the caller relies on.

        Raises:
            CheckFailed: it is missing, or has another form. The message does not show its value.
        """
        if key not in self.outputs:
            raise CheckFailed(
                f"the stack has no output {key}: `pulumi up -s {self.settings.site}` did not get that far"
            )
        try:
            return TypeAdapter(form).validate_python(self.outputs[key])
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, [key, *problem["loc"]]))
            raise CheckFailed(f"not as docs/outputs.schema.json says: {place}: {problem['msg']}") from None

    def domains(self) -> list[str]:
        """The site's zones.

        Raises:
            CheckFailed: that output is missing.
        """
        return self.output("domains", list[str])
