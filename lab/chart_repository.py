"""The lab's chart repository: a folder with the charts of the socle and their index, served by the mirror.

The charts are the lab's own (`lab/charts`), which carry the official ones' names and versions. An
archive in the folder that `LAB_CHARTS` names, such as one made by `helm pull`, takes the place of the
lab's chart of the same name: as it is, but for references to other hosts in its `values.schema.json`.
Helm would follow those and, without a network, refuse all values; the rest of the schema holds.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from lab.files import write_private

VARIABLE: Final = "LAB_CHARTS"
CHARTS: Final = Path(__file__).parent / "charts"


class ChartError(Exception):
    """An archive cannot be used. The message says which, why, and what to do."""


@dataclass(frozen=True)
class Chart:
    """A chart of the repository."""

    metadata: Mapping[str, Any]
    """Its Chart.yaml."""
    content: bytes = field(repr=False)
    """The archive."""
    official: bool
    """False for the lab's own."""

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def version(self) -> str:
        return str(self.metadata["version"])

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.tgz"


def given_archives(env: Mapping[str, str]) -> Path | None:
    """The folder of chart archives that the environment names, if it does."""
    return Path(env[VARIABLE]).expanduser() if env.get(VARIABLE) else None


def charts(archives: Path | None) -> list[Chart]:
    """The charts to serve: those of `archives`, and the lab's own for names that it lacks.

    Raises:
        ChartError: when `archives` has no archive, or one that is not a chart.
    """
    given = _given(archives) if archives else []
    replaced = {chart.name for chart in given}
    return [*given, *(_own(path) for path in sorted(CHARTS.glob("*/")) if path.name not in replaced)]


def publish(folder: Path, archives: Path | None) -> list[Chart]:
    """Make `folder` a chart repository of these charts and of no other. The same charts make the same bytes.

    Raises:
        ChartError: as `charts` does.
    """
    published = charts(archives)
    for chart in published:
        write_private(folder / chart.file_name, chart.content)
    write_private(folder / "index.yaml", yaml.safe_dump(_index(published), sort_keys=True))
    for former in set(folder.glob("*.tgz")) - {folder / chart.file_name for chart in published}:
        former.unlink()
    return published


def _index(published: list[Chart]) -> dict[str, Any]:
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in published:
        digest = hashlib.sha256(chart.content).hexdigest()
        entries.setdefault(chart.name, []).append({**chart.metadata, "urls": [chart.file_name], "digest": digest})
    return {"apiVersion": "v1", "entries": entries}


def _own(chart: Path) -> Chart:
    files = {
        f"{chart.name}/{path.relative_to(chart)}": path.read_bytes() for path in chart.rglob("*") if path.is_file()
    }
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    return Chart(metadata, _pack(files), official=False)


def _pack(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files. No time and no owner: it changes when they do."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _given(folder: Path) -> list[Chart]:
    archives = sorted(folder.glob("*.tgz")) if folder.is_dir() else []
    if not archives:
        raise ChartError(
            f"{VARIABLE}: {folder} holds no chart archive (*.tgz): fill it with `helm pull`, "
            f"or unset {VARIABLE} to use the lab's own charts"
        )
    return list(map(_official, archives))


def _official(archive: Path) -> Chart:
    try:
        files = _unpack(archive)
        top = next(name for name in files if name.count("/") == 1 and name.endswith("/Chart.yaml"))
        metadata = yaml.safe_load(files[top])
        metadata = {**metadata, "name": metadata["name"], "version": metadata["version"]}
        local = {
            name: _local(content) if name.endswith("/values.schema.json") else content
            for name, content in files.items()
        }
    except (OSError, tarfile.TarError, StopIteration, yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise ChartError(
            f"{VARIABLE}: {archive} is not a chart archive: fetch it again with `helm pull`, or remove it"
        ) from error
    return Chart(metadata, archive.read_bytes() if local == files else _pack(local), official=True)


def _unpack(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as content:
        found = {member.name: content.extractfile(member) for member in content if member.isfile()}
        return {name: file.read() for name, file in found.items() if file}


def _local(schema: bytes) -> bytes:
    """A schema without references to other hosts."""
    document = json.loads(schema)
    local = _without_remote_references(document)
    return schema if local == document else json.dumps(local).encode()


def _without_remote_references(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_remote_references(part) for part in schema]
    if isinstance(schema, dict):
        return {
            key: _without_remote_references(part)
            for key, part in schema.items()
            if not (key == "$ref" and str(part).startswith(("http://", "https://")))
        }
    return schema
