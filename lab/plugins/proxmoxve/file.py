"""`proxmoxve:download/file:File`: a file that a Proxmox VE node downloads into a storage."""

from __future__ import annotations

import posixpath
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from lab.plugins.base import Call, Failure, Props, Resource, ResourceError
from lab.plugins.proxmoxve.api import Api, Patience
from lab.plugins.proxmoxve.spec import Block, Value, normalise

FILE = Block(
    {
        "nodeName": Value(str, required=True),
        "datastoreId": Value(str, required=True),
        "contentType": Value(str, required=True, allowed=("iso", "vztmpl", "import")),
        "url": Value(str, required=True),
        "fileName": Value(str),
        "checksum": Value(str),
        "checksumAlgorithm": Value(str),
        "overwrite": Value(bool, default=True),
        "overwriteUnmanaged": Value(bool, default=False),
        "uploadTimeout": Value(int, default=600),
        "verify": Value(bool, default=True),
    }
)


class File(Resource):
    """The id is the volume id, such as `local:iso/debian.iso`; an import takes `node/volume-id`.

    The file is not compared with its source at a refresh.
    """

    token: ClassVar[str] = "proxmoxve:download/file:File"
    required = frozenset({"nodeName", "datastoreId", "contentType", "url"})
    computed = frozenset({"size"})
    replace_on = frozenset(
        {"nodeName", "datastoreId", "contentType", "url", "fileName", "checksum", "checksumAlgorithm", "verify"}
    )

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        values, failures = normalise(inputs, FILE)
        if isinstance(url := values.get("url"), str):
            if not url.startswith(("http://", "https://")):
                failures.append(Failure("url", f"is {url!r}; must start with http:// or https://"))
            values.setdefault("fileName", posixpath.basename(urlsplit(url).path))
        if ("checksum" in values) != ("checksumAlgorithm" in values):
            failures.append(Failure("checksum", "checksum and checksumAlgorithm go together"))
        return values, failures

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        api: Api = call.config.api
        volume = f"{inputs['datastoreId']}:{inputs['contentType']}/{inputs['fileName']}"
        if _find(api, inputs, volume):
            if not inputs["overwriteUnmanaged"]:
                raise ResourceError(
                    f"refusing to override existing file '{inputs['fileName']}' ({volume}): it was created outside of"
                    " this program; set overwriteUnmanaged to replace it, or import it"
                )
            self.delete(volume, inputs, call)
        payload = {
            "content": inputs["contentType"],
            "filename": inputs["fileName"],
            "url": inputs["url"],
            "verify-certificates": int(inputs["verify"]),
        }
        if "checksum" in inputs:
            payload |= {"checksum": inputs["checksum"], "checksum-algorithm": inputs["checksumAlgorithm"]}
        upid = api.post(f"/nodes/{inputs['nodeName']}/storage/{inputs['datastoreId']}/download-url", **payload)
        api.run(upid, Patience(inputs["uploadTimeout"], call.cancelled))
        entry = _find(api, inputs, volume)
        if entry is None:
            raise ResourceError(f"{volume} is not in the storage after its download")
        return volume, {**inputs, "size": int(entry["size"])}

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        volume = id
        if not outputs:  # an import, or a creation that was cut short: the latter has inputs
            node, _, volume = id.partition("/")
            inputs = inputs or _imported(node, volume)
        entry = _find(call.config.api, inputs, volume)
        return None if entry is None else (volume, inputs, {"url": "", **inputs, "size": int(entry["size"])})

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        return {**inputs_new, "size": outputs_old["size"]}

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        api: Api = call.config.api
        if _find(api, outputs, id) is None:
            return
        path = f"/nodes/{outputs['nodeName']}/storage/{outputs['datastoreId']}/content/{quote(id, safe='')}"
        if upid := api.delete(path):
            api.run(upid, Patience(outputs["uploadTimeout"], call.cancelled))


class FileLegacy(File):
    """The name of the same resource before version 8."""

    token: ClassVar[str] = "proxmoxve:download/fileLegacy:FileLegacy"


def _imported(node: str, volume: str) -> Props:
    """The inputs that an import id tells; the URL is not known any more."""
    store, _, name = volume.partition(":")
    content, _, file_name = name.partition("/")
    known = {"nodeName": node, "datastoreId": store, "contentType": content, "fileName": file_name}
    if not all(known.values()):
        raise ResourceError("unexpected format of ID, expected node/datastore:content-type/file-name")
    specs = FILE.fields.items()
    return {name: spec.default for name, spec in specs if isinstance(spec, Value) and spec.default is not None} | known


def _find(api: Api, file: Props, volume: str) -> dict[str, Any] | None:
    entries = api.get(f"/nodes/{file['nodeName']}/storage/{file['datastoreId']}/content", content=file["contentType"])
    return next((entry for entry in entries if entry["volid"] == volume), None)
