"""Finds every tool that the lab needs: on the PATH, in the cache, by download, by build, from Debian."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lab import console, debian
from lab.layout import REPOSITORY, Lab
from lab.layout import TOOLS as CACHE
from lab.toolchain import versions
from lab.toolchain.download import Downloads
from lab.toolchain.errors import ToolchainError
from lab.toolchain.estimate import Estimate
from lab.toolchain.gobuild import Go
from lab.toolchain.lock import lock
from lab.toolchain.stamp import ResolvedTool, Source, Stamp
from lab.toolchain.tools import TOOLS, Tool


class Toolchain:
    """The tools of a manifest on this machine."""

    def __init__(
        self,
        manifest: Sequence[Tool] = TOOLS,
        *,
        cache: Path = CACHE,
        path: str | None = None,
        ignore: Sequence[Path] | None = None,
        go: Go | None = None,
    ) -> None:
        """
        Args:
            manifest: Tools in the order in which they are needed.
            cache: Folder of downloaded and built tools, shared by all checkouts of a user.
            path: What to use as PATH; the environment's by default.
            ignore: Folders whose programs do not count as found; by default this checkout and the lab's
                folder, which hold the lab's own links and wrappers.
            go: How to build.
        """
        self._manifest = manifest
        self._cache = cache.resolve()
        ours = [REPOSITORY, Lab.current().home] if ignore is None else ignore
        self._folders = _folders(os.environ.get("PATH", "") if path is None else path, [cache, *ours])
        self._go = go or Go(cache, os.pathsep.join(map(str, self._folders)))

    def ensure(self, names: Iterable[str] | None = None) -> dict[str, ResolvedTool]:
        """Get tools, doing whatever is missing; next to nothing where all are there.

        Args:
            names: Names of the manifest; all by default.

        Raises:
            ToolchainError: a tool cannot be had. Debian packages that only root can install are all named
                at once, before anything is built.
        """
        wanted = self._wanted(names)
        stamp = Stamp(self._cache / "resolved.json", repr((self._manifest, self._folders)), self._folders)
        known = stamp.read([tool.name for tool in wanted])
        if known is not None:
            return known
        with lock(self._cache / "lock", console.note):
            resolved = self._resolve(wanted)
            stamp.write(resolved)
        return resolved

    def bin_dir(self, home: Path) -> Path:
        """A folder of links to all tools, `home/bin`, for the PATH. Whatever else was linked there goes."""
        tools = self.ensure()
        folder = home / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        for entry in folder.iterdir():
            # A dotted name is a link that another process is about to put in its place.
            if entry.name not in tools and not entry.name.startswith("."):
                entry.unlink(missing_ok=True)
        for name, tool in tools.items():
            link = folder / name
            if not (link.is_symlink() and link.readlink() == tool.path):
                fresh = folder / f".{name}.{os.getpid()}"
                fresh.symlink_to(tool.path)
                fresh.replace(link)
        return folder

    def _wanted(self, names: Iterable[str] | None) -> list[Tool]:
        if names is None:
            return list(self._manifest)
        asked = set(names)
        unknown = asked - {tool.name for tool in self._manifest}
        if unknown:
            raise ValueError(f"no such tools in the manifest: {', '.join(sorted(unknown))}")
        return [tool for tool in self._manifest if tool.name in asked]

    def _resolve(self, wanted: Sequence[Tool]) -> dict[str, ResolvedTool]:
        found: dict[str, ResolvedTool] = {}
        for tool in wanted:
            there = self._on_path(tool, found) or self._in_cache(tool)
            if there is not None:
                found[tool.name] = there
        missing = [tool for tool in wanted if tool.name not in found]
        found |= self._install([tool for tool in missing if tool.debian])
        found |= self._make([tool for tool in missing if not tool.debian])
        return {tool.name: found[tool.name] for tool in wanted}

    def _on_path(self, tool: Tool, found: Mapping[str, ResolvedTool]) -> ResolvedTool | None:
        if tool.part_of:
            return _beside(tool, found.get(tool.part_of))
        for candidate in self._candidates(tool):
            version = versions.ask(candidate, tool.ask)
            if version is not None and version in tool.fits and _has_parts(candidate, tool):
                source: Source = "Debian" if tool.debian and debian.owns(candidate) else "path"
                return ResolvedTool(tool.name, versions.show(version), source, candidate)
        return None

    def _candidates(self, tool: Tool) -> Iterator[Path]:
        folders = self._folders + (list(map(Path, debian.SYSTEM_FOLDERS)) if tool.debian else [])
        for folder in dict.fromkeys(folders):
            candidate = folder / tool.name
            # A link into the cache is a tool that this lab made: it is found there, with its source.
            if os.access(candidate, os.X_OK) and not candidate.resolve().is_relative_to(self._cache):
                yield candidate

    def _in_cache(self, tool: Tool) -> ResolvedTool | None:
        executable = self._cache / tool.place
        origin = _origin(executable)
        # Written after the executable: where it is, the executable is whole.
        if not (origin.exists() and os.access(executable, os.X_OK)):
            return None
        source: Source = "official download" if origin.read_text() == "official download" else "Go module"
        return ResolvedTool(tool.name, tool.version, source, executable)

    def _install(self, missing: Sequence[Tool]) -> dict[str, ResolvedTool]:
        """Get what only Debian has."""
        needed = [tool.debian for tool in missing if tool.debian]
        if not needed:
            return {}
        packages = [package for part in needed for package in part.packages]
        with console.stage(f"Debian packages {' '.join(packages)}"):
            try:
                debian.install(packages, [part.service for part in needed if part.service])
            except debian.PackageError as error:
                raise ToolchainError(str(error)) from None
        found: dict[str, ResolvedTool] = {}
        for tool in missing:
            installed = self._on_path(tool, found)
            if installed is None:
                raise ToolchainError(
                    f"{tool.name} {tool.fits} is needed, and the Debian package here has another version: "
                    f"put a newer {tool.name} on the PATH"
                )
            found[tool.name] = installed
        return found

    def _make(self, missing: Sequence[Tool]) -> dict[str, ResolvedTool]:
        """Download or build into the cache."""
        scratch = self._cache / "partial"
        # What a killed run left behind: only the holder of the lock is here.
        shutil.rmtree(scratch, ignore_errors=True)
        if not missing:
            return {}
        scratch.mkdir(parents=True)
        downloads = Downloads(scratch, console.note)
        estimate = Estimate([tool.build.seconds if tool.build else 0 for tool in missing])
        made: dict[str, ResolvedTool] = {}
        for step, tool in enumerate(missing, 1):
            name = f"tool {step} of {len(missing)}: {tool.name} {tool.version}"
            estimate.begin()
            with console.stage(name, detail=lambda: str(estimate)):
                source = self._make_one(tool, scratch / tool.name, downloads)
            estimate.end(typical=source == "Go module")
            made[tool.name] = ResolvedTool(tool.name, tool.version, source, self._cache / tool.place)
        shutil.rmtree(scratch)
        return made

    def _make_one(self, tool: Tool, partial: Path, downloads: Downloads) -> Source:
        source: Source = "official download"
        if not downloads.fetch(tool, partial):
            if tool.build is None:
                raise ToolchainError(f"{tool.name} {tool.fits} is needed: put it on the PATH")
            source = "Go module"
            self._go.make(tool.build, partial, self._cache / "logs" / f"{tool.name}.log")
        executable = self._cache / tool.place
        executable.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(executable)
        note = _origin(partial)
        note.write_text(source)
        note.replace(_origin(executable))
        return source


def _folders(path: str, ignore: Sequence[Path]) -> list[Path]:
    """Absolute folders of a PATH, without the ignored ones and those below them."""
    ignored = [folder.resolve() for folder in ignore]
    return [
        Path(entry)
        for entry in dict.fromkeys(path.split(os.pathsep))
        if Path(entry).is_absolute() and not any(Path(entry).resolve().is_relative_to(root) for root in ignored)
    ]


def _beside(part: Tool, whole: ResolvedTool | None) -> ResolvedTool | None:
    """The part that came with a tool of the PATH: in the folder that the tool really is in."""
    if whole is None or whole.source != "path":
        return None
    executable = whole.path.resolve().with_name(part.name)
    return ResolvedTool(part.name, whole.version, "path", executable) if os.access(executable, os.X_OK) else None


def _has_parts(candidate: Path, tool: Tool) -> bool:
    if tool.debian is None or not tool.debian.probe:
        return True
    return tool.debian.expects in (versions.run(candidate, tool.debian.probe) or "").splitlines()


def _origin(executable: Path) -> Path:
    """The note that says where an executable of the cache comes from."""
    return executable.with_name(f"{executable.name}.source")
