"""What the engine knows of a stack: its outputs, its settings, its Proxmox VE token."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from settings import PROJECT, BackupServer, Proxmox, Settings
from verify.checks import CheckFailed

T = TypeVar("T")
PULUMI_TIMEOUT = 60
"""Seconds. The state may be far away."""


class StackError(Exception):
    """The stack cannot be read: nothing can be checked."""


@dataclass(frozen=True)
class Stack:
    """One stack after `pulumi up`."""

    name: str
    outputs: Mapping[str, Any] = field(repr=False)
    proxmox: Proxmox
    api_token: str = field(repr=False)
    """`user@realm!tokenid=uuid`."""
    has_cluster: bool
    """Whether the settings ask for a Kubernetes cluster: then its outputs have to be there."""
    has_services: bool
    """Whether they ask for services on it: the same, of the socle."""
    https_port: int = 443
    """Port of the ingress controller."""
    backup_server: BackupServer | None = None
    """What the stack keeps for other sites, if it does."""

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a stack of the project in the current folder.

        Raises:
            StackError: the engine refused; in its own words.
            settings.SettingsError: the stack file is not valid.
        """
        file = Path(os.environ.get("PULUMI_OPTION_CONFIG_FILE", f"Pulumi.{name}.yaml"))
        settings = Settings.read(file)
        if settings.site != name:
            raise StackError(f"PULUMI_OPTION_CONFIG_FILE={file} is the stack file of {settings.site}, not of {name}")
        outputs = json.loads(_pulumi("stack", "output", "--json", "--show-secrets", "--stack", name))
        if not outputs:
            raise StackError(f"the stack {name} has no outputs: run `pulumi up -s {name}` first")
        return cls(
            name=name,
            outputs=outputs,
            proxmox=settings.proxmox,
            api_token=_pulumi("config", "get", f"{PROJECT}:proxmoxApiToken", "--stack", name).strip(),
            has_cluster=settings.kubernetes is not None,
            has_services=settings.services is not None,
            backup_server=settings.backup_server,
            https_port=settings.services.https_port if settings.services else 443,
        )

    def output(self, key: str, form: type[T]) -> T:
        """One output of the contract (docs/outputs.schema.json).

        Args:
            key: Its name.
            form: The part of its type that the caller relies on.

        Raises:
            CheckFailed: it is missing, or has another form. The message does not show its value.
        """
        if key not in self.outputs:
            raise CheckFailed(f"the stack has no output {key}: `pulumi up -s {self.name}` did not get that far")
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


def _pulumi(*arguments: str) -> str:
    try:
        result = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PULUMI_TIMEOUT,
        )
    except FileNotFoundError:
        raise StackError(
            "there is no `pulumi` on the PATH: install it (https://www.pulumi.com/docs/install/)"
        ) from None
    except subprocess.TimeoutExpired:
        raise StackError(
            f"pulumi {arguments[0]} did not end within {PULUMI_TIMEOUT} s: is the backend there?"
        ) from None
    if result.returncode:
        raise StackError(f"pulumi {arguments[0]}: {(result.stderr or result.stdout).strip()}")
    return result.stdout
