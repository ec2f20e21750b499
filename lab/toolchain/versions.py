"""Versions of tools: reading them from a tool's own answer, and ranges that a tool must be in."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

_NUMBERS = re.compile(r"(?<![\d.:])(\d+)\.(\d+)(?:\.(\d+))?")
_PATIENCE = 20.0
"""Seconds that a tool may take to say its version."""


def parse(text: str) -> Version | None:
    """The first version number in a text, such as `(1, 35, 4)` for `Kubernetes v1.35.4`."""
    found = _NUMBERS.search(text)
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def show(version: Version) -> str:
    """`(1, 35, 4)` -> `1.35.4`."""
    return ".".join(map(str, version))


@dataclass(frozen=True)
class Range:
    """Versions from `first` to just before `below`; an empty `below` is no upper bound."""

    first: str
    below: str = ""

    def __post_init__(self) -> None:
        for bound in filter(None, (self.first, self.below)):
            if parse(bound) is None:
                raise ValueError(f"{bound!r} is no version: at least major.minor is needed")

    def __contains__(self, version: Version) -> bool:
        lower, upper = parse(self.first), parse(self.below)
        return (lower is None or version >= lower) and (upper is None or version < upper)

    def __str__(self) -> str:
        return f">= {self.first}" + (f", < {self.below}" if self.below else "")


def ask(executable: Path, arguments: Sequence[str]) -> Version | None:
    """The version that a tool says it has; None where it cannot be run or names none."""
    answer = run(executable, arguments)
    return parse(answer) if answer is not None else None


def run(executable: Path, arguments: Sequence[str]) -> str | None:
    """What a tool prints on both streams; None where it cannot be run."""
    try:
        result = subprocess.run(
            [executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Some tools would ask their makers for news before they answer.
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "CHECKPOINT_DISABLE": "1"},
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode(errors="replace")
