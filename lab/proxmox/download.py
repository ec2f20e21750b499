"""`download-url` of a storage: the file is really fetched and really checked."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import BinaryIO

import requests

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte."""


class DownloadError(Exception):
    """The file cannot be had, or is not the one that was asked for."""


@dataclass(frozen=True)
class Checksum:
    """What the file must hash to."""

    algorithm: str
    expected: str


def fetch(
    url: str, checksum: Checksum | None, verify: bool, stop: threading.Event, keep: BinaryIO | None = None
) -> int:
    """Read a file to its end and return its size in bytes.

    Args:
        url: http or https.
        checksum: Compared with the content.
        verify: Whether the server's certificate is checked.
        stop: Ends the download when set.
        keep: Where the content goes; nowhere by default, for the lab's VMs boot a medium by its name.

    Raises:
        DownloadError: in the words that Proxmox's task ends with.
    """
    digest = hashlib.new(checksum.algorithm) if checksum else None
    size = 0
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, verify=None if verify else False) as response:
            response.raise_for_status()
            for chunk in response.iter_content(CHUNK):
                size += len(chunk)
                if digest:
                    digest.update(chunk)
                if keep:
                    keep.write(chunk)
                if stop.is_set():
                    raise DownloadError("received interrupt")
    except requests.RequestException as error:
        raise DownloadError(f"download failed: {error}") from None
    if digest and checksum and digest.hexdigest() != checksum.expected.lower():
        raise DownloadError(f"checksum mismatch: got '{digest.hexdigest()}' != expect '{checksum.expected}'")
    return size


def metadata(url: str, verify: bool) -> dict[str, object]:
    """What a server says of a file: `filename`, `mimetype`, `size`.

    Raises:
        DownloadError: it cannot be asked.
    """
    try:
        response = requests.head(url, timeout=TIMEOUT, verify=None if verify else False, allow_redirects=True)
        response.raise_for_status()
    except requests.RequestException as error:
        raise DownloadError(f"invalid server response: {error}") from None
    found: dict[str, object] = {"filename": url.rpartition("/")[2]}
    if kind := response.headers.get("Content-Type"):
        found["mimetype"] = kind.partition(";")[0]
    if length := response.headers.get("Content-Length"):
        found["size"] = int(length)
    return found
