"""Dynamic provider of the local kubeconfig file.

The file is a convenience of one clone: another clone's preview shows that it is missing there, and
nothing else.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, UpdateResult

from components.dynamic import Provider

ROOT = Path(__file__).resolve().parents[2]
"""The clone. Paths in state are relative to it: another clone lives elsewhere."""


class KubeconfigFileProvider(Provider):
    """CRUD of one private file. The id is its path."""

    INPUTS = ("path", "content")
    REPLACES = ("path",)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare with the file itself: it may be missing or stale in this clone."""
        found = super().diff(_id, olds, news)
        found.changes = found.changes or not _matches(ROOT / news["path"], news["content"])
        return found

    def create(self, props: dict[str, Any]) -> CreateResult:
        _write(ROOT / props["path"], props["content"])
        return CreateResult(props["path"], self.inputs(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        _write(ROOT / news["path"], news["content"])
        return UpdateResult(self.inputs(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Keep the state: a file that is missing in this clone is not gone from the site."""
        return ReadResult(id_, props, self.inputs(props))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        (ROOT / props["path"]).unlink(missing_ok=True)


def _matches(path: Path, content: Any) -> bool:
    return path.is_file() and path.read_text() == content and path.stat().st_mode & 0o777 == 0o600


def _write(path: Path, content: str) -> None:
    """Put the file there at once: a reader sees the old content or the new, never half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
