"""Official release files, checked against pinned digests."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from lab.toolchain.errors import ToolchainError
from lab.toolchain.tools import Tool

_TIMEOUT = (3.0, 60.0)
"""Seconds to connect, and between two pieces of data: without internet, go on soon."""
_PIECE = 1 << 20

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Downloads:
    """The downloads of one run. Hosts that cannot be reached are asked once."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        """
        Args:
            folder: Scratch folder of the run: an archive that holds several tools is fetched once.
            tell: Told why a file was not fetched.
        """
        self._folder = folder
        self._tell = tell
        self._unreachable: set[str] = set()

    def fetch(self, tool: Tool, target: Path) -> bool:
        """Put the tool's official executable at `target`.

        Returns:
            False where there is no download for this machine, or its host cannot be reached.

        Raises:
            ToolchainError: what was downloaded is not what was pinned.
        """
        architecture = _ARCHITECTURES.get(platform.machine(), "")
        if tool.download is None or architecture not in tool.download.digests:
            return False
        names = {"name": tool.name, "version": tool.version, "arch": architecture}
        url = tool.download.url.format(**names)
        file = self._file(url, tool.download.digests[architecture])
        if file is None:
            return False
        if tool.download.member:
            _extract(file, tool.download.member.format(**names), target, url)
        else:
            shutil.copyfile(file, target)
        target.chmod(0o755)
        return True

    def _file(self, url: str, digest: str) -> Path | None:
        """The release file, verified; from this run's folder if it was fetched already."""
        file = self._folder / hashlib.sha256(url.encode()).hexdigest()
        if file.exists():
            return file
        host = urlsplit(url).netloc
        if host in self._unreachable:
            return None
        partial = file.with_suffix(".partial")
        try:
            actual = _receive(url, partial, digest.partition(":")[0])
        except requests.HTTPError as error:
            self._tell(f"{url} answered {error.response.status_code}")
            return None
        except requests.RequestException as error:
            self._unreachable.add(host)
            self._tell(f"{host} cannot be reached ({type(error).__name__}): no official downloads from there")
            return None
        if actual != digest:
            partial.unlink()
            raise ToolchainError(
                f"{url} is not the file that is pinned: expected {digest}, got {actual}. Nothing was installed. "
                "If a proxy rewrites downloads, bypass it; otherwise tell the maintainers of this repository."
            )
        partial.replace(file)
        return file


def _receive(url: str, file: Path, algorithm: str) -> str:
    """Write what a URL gives to a file; returns `<algorithm>:<digest>`."""
    digest = hashlib.new(algorithm)
    with requests.get(url, stream=True, timeout=_TIMEOUT) as response, file.open("wb") as output:
        response.raise_for_status()
        for piece in response.iter_content(_PIECE):
            digest.update(piece)
            output.write(piece)
    return f"{algorithm}:{digest.hexdigest()}"


def _extract(archive: Path, member: str, target: Path, url: str) -> None:
    with tarfile.open(archive) as tar:
        # Release archives differ in a leading "./".
        name = next((name for name in tar.getnames() if name.removeprefix("./") == member), None)
        content = tar.extractfile(name) if name else None
        if content is None:
            raise ToolchainError(f"{url} holds no file {member}: correct the manifest in lab/toolchain/tools.py")
        with content, target.open("wb") as output:
            shutil.copyfileobj(content, output)
