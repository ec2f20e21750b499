"""Remembers what was resolved, so that the next run has nothing to do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

_KEPT = 8
"""Situations (values of PATH, manifests) that are remembered."""

Source = Literal["path", "official download", "Go module", "Debian"]


@dataclass(frozen=True)
class ResolvedTool:
    """A tool that is there."""

    name: str
    version: str
    source: Source
    path: Path


class Stamp:
    """Resolved tools of one situation: the manifest, the PATH, and what changed in its folders."""

    def __init__(self, file: Path, situation: str, folders: Sequence[Path]) -> None:
        """
        Args:
            file: Where all situations are kept.
            situation: Whatever decides which tools are taken.
            folders: Those of the PATH: a program that was added to one may now be the better choice.
        """
        seen = [(str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()]
        self._file = file
        self._key = hashlib.sha256(f"{situation}{seen}".encode()).hexdigest()

    def read(self, names: Sequence[str]) -> dict[str, ResolvedTool] | None:
        """The tools of these names; None unless all of them are known and unchanged."""
        known = self._load().get(self._key, {})
        tools: dict[str, ResolvedTool] = {}
        for name in names:
            entry = known.get(name)
            if entry is None or _identity(Path(entry["path"])) != entry["identity"]:
                return None
            tools[name] = ResolvedTool(name, entry["version"], entry["source"], Path(entry["path"]))
        return tools

    def write(self, tools: Mapping[str, ResolvedTool]) -> None:
        """Remember these tools besides those that are known already."""
        situations = self._load()
        entries = situations.pop(self._key, {}) | {
            name: {**asdict(tool), "path": str(tool.path), "identity": _identity(tool.path)}
            for name, tool in tools.items()
        }
        kept = dict(list(situations.items())[1 - _KEPT :]) | {self._key: entries}
        partial = self._file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(kept, indent=1))
        partial.replace(self._file)

    def _load(self) -> dict[str, Any]:
        try:
            loaded = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}


def _identity(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
