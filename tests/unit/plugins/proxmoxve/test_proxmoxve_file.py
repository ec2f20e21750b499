"""download/file:File against a real HTTP API."""

from typing import Any

import pytest

from lab.plugins.base import Call, Props, ResourceError
from lab.plugins.proxmoxve.file import File, FileLegacy

FILE = File()
URL = "https://mirror.example.org/debian/debian-12.iso?mirror=1"
VOLUME = "local:iso/debian-12.iso"


def declare(call: Call, **changes: Any) -> Props:
    values, failures = FILE.check(
        {"nodeName": "pve1", "datastoreId": "local", "contentType": "iso", "url": URL, **changes}, None, call
    )
    assert failures == []
    return values


def test_download_read_delete(proxmox: Any, call: Call) -> None:
    inputs = declare(call, checksum="ab" * 32, checksumAlgorithm="sha256")
    id, outputs = FILE.create(inputs, call)
    assert (id, outputs["fileName"], outputs["size"]) == (VOLUME, "debian-12.iso", 2**20)
    body = next(body for method, path, body in proxmox.requests if path.endswith("/download-url"))
    assert b"checksum-algorithm=sha256" in body

    assert FILE.read(id, inputs, outputs, call) == (id, inputs, outputs)
    FILE.delete(id, outputs, call)
    assert FILE.read(id, inputs, outputs, call) is None
    FILE.delete(id, outputs, call)


def test_another_address_is_another_file_that_comes_first(call: Call) -> None:
    """As the official plugin, which leaves the order to the program."""
    inputs = declare(call)
    diff = FILE.diff(inputs, inputs, declare(call, url=f"{URL}0"), call)
    assert diff.changes["url"].replace
    assert not diff.delete_before_replace


def test_import(proxmox: Any, call: Call) -> None:
    FILE.create(declare(call), call)
    found = FILE.read(f"pve1/{VOLUME}", {}, {}, call)
    assert found is not None
    id, inputs, outputs = found
    assert (id, inputs["nodeName"], outputs["size"]) == (VOLUME, "pve1", 2**20)
    with pytest.raises(ResourceError, match="expected node/datastore"):
        FILE.read("local", {}, {}, call)


def test_interrupted_download_is_adopted(proxmox: Any, call: Call) -> None:
    inputs = declare(call)
    _, outputs = FILE.create(inputs, call)
    assert FILE.read(f"pve1/{VOLUME}", inputs, {}, call) == (VOLUME, inputs, outputs)


def test_existing_file(proxmox: Any, call: Call) -> None:
    proxmox.store_file("local", "debian-12.iso", 7)
    with pytest.raises(ResourceError, match=r"refusing to override existing file 'debian-12\.iso'"):
        FILE.create(declare(call), call)
    _, outputs = FILE.create(declare(call, overwriteUnmanaged=True), call)
    assert outputs["size"] == 2**20


def test_wrong_storage(call: Call) -> None:
    with pytest.raises(ResourceError, match="not configured for content-type 'import'"):
        FILE.create(declare(call, contentType="import"), call)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"url": "ftp://mirror.example.org/x.iso"}, "url"),
        ({"checksum": "ab"}, "checksum"),
        ({"contentType": "rootdir"}, "contentType"),
        ({"decompressionAlgorithm": "gz"}, "decompressionAlgorithm"),
        ({"nodeName": None}, "nodeName"),
    ],
)
def test_bad_inputs(proxmox: Any, call: Call, changes: Props, path: str) -> None:
    inputs = {"nodeName": "pve1", "datastoreId": "local", "contentType": "iso", "url": URL, **changes}
    assert [failure.property for failure in FileLegacy().check(inputs, None, call)[1]] == [path]
    assert proxmox.requests == []
