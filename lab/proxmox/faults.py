"""What is to go wrong on a site: a file below its private folder that a test writes while it works.

The service looks at `FILE` in its state folder before each call. What the file says holds until it says something
else or is removed; nothing else reaches it, so the product cannot. A site without the file has no faults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from lab.files import write_private

FILE = "faults.json"


class FaultsError(Exception):
    """The file says something that is no fault of this lab's."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Refusal(_Model):
    """Calls that are answered with an error, whatever they ask."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """End of the path, such as `/qemu/2000/clone`."""
    message: str
    status: int = 500
    times: int = Field(default=1, ge=1)
    """How many calls, from when the file was written on."""


class Faults(_Model):
    """Everything that is wrong at one time."""

    refusals: tuple[Refusal, ...] = ()
    offline: tuple[str, ...] = ()
    """Proxmox nodes whose API does not answer; what runs on them runs on."""
    quorate: bool = True
    withheld: tuple[str, ...] = ()
    """Privileges that the API token lacks."""
    latency: float = Field(default=0.0, ge=0)
    """Seconds before every answer."""
    dropped: float = Field(default=0.0, ge=0, le=1)
    """Share of requests whose connection is closed instead."""
    seconds: dict[str, float] = {}
    """Type of task, such as `qmclone` -> how long it works."""
    agents: dict[str, Literal["silent", "no-ipv4", "several"]] = {}
    """Name of a VM -> what its guest agent does."""
    without_ssh: tuple[str, ...] = ()
    """Names of VMs that boot without an SSH server."""


class FaultFile:
    """The file of one site.

    Args:
        state: Private folder of the site's service.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._seen: int | None = None

    def write(self, faults: Faults) -> None:
        """Make these faults the site's, in place of all others."""
        write_private(self._path, faults.model_dump_json(by_alias=True, indent=1))

    def news(self) -> Faults | None:
        """What the file says, if it changed since the last look.

        Raises:
            FaultsError: it cannot be read.
        """
        changed = self._path.stat().st_mtime_ns if self._path.exists() else None
        if changed == self._seen:
            return None
        self._seen = changed
        if changed is None:
            return Faults()
        try:
            return Faults.model_validate_json(self._path.read_bytes())
        except ValidationError as error:
            raise FaultsError(f"{self._path}: {error}") from None
