"""`proxmoxve:storage/nfs:Nfs`: a storage of the cluster on an NFS export."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.plugins.base import Call, Failure, Props, Resource, ResourceError
from lab.plugins.proxmoxve.api import Api, ApiError
from lab.plugins.proxmoxve.spec import Block, Items, Value, normalise

NFS = Block(
    {
        "resourceId": Value(str, required=True),
        "server": Value(str, required=True),
        "export": Value(str, required=True),
        "contents": Items(Value(str), default=["images"]),
        "nodes": Items(Value(str), default=[]),
        "options": Value(str),
        "disable": Value(bool, default=False),
        # As Proxmox VE has them by itself.
        "createBasePath": Value(bool, default=True, allowed=(True,)),
        "createSubdirs": Value(bool, default=True, allowed=(True,)),
    }
)


class Nfs(Resource):
    """The id is the storage's."""

    token: ClassVar[str] = "proxmoxve:storage/nfs:Nfs"
    required = frozenset({"resourceId", "server", "export"})
    replace_on = frozenset({"resourceId", "server", "export"})
    computed = frozenset({"shared"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        return normalise(inputs, NFS)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        api: Api = call.config.api
        fixed = {"type": "nfs", "storage": inputs["resourceId"], "server": inputs["server"], "export": inputs["export"]}
        api.post("/storage", **fixed, **_changeable(inputs))
        return inputs["resourceId"], {**inputs, "shared": True}

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        try:
            found = call.config.api.get(f"/storage/{id}")
        except ApiError as error:
            if error.missing:
                return None
            raise
        if found["type"] != "nfs":
            raise ResourceError(f"the storage {id} is of type {found['type']}, not nfs")
        there = {
            "resourceId": id,
            "server": found["server"],
            "export": found["export"],
            "contents": _listed(found.get("content"), inputs.get("contents")),
            "nodes": _listed(found.get("nodes"), inputs.get("nodes")),
            "options": found.get("options"),
            "disable": bool(found.get("disable")),
            "createBasePath": True,
            "createSubdirs": True,
        }
        there = {name: value for name, value in there.items() if value is not None}
        return id, there, {**there, "shared": True}

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        api: Api = call.config.api
        gone = [name for name in ("nodes", "options") if inputs_old.get(name) and not inputs_new.get(name)]
        api.put(f"/storage/{id}", **_changeable(inputs_new), **({"delete": ",".join(gone)} if gone else {}))
        return {**inputs_new, "shared": True}

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        try:
            call.config.api.delete(f"/storage/{id}")
        except ApiError as error:
            if not error.missing:
                raise


def _changeable(inputs: Props) -> dict[str, Any]:
    values = {"content": ",".join(inputs["contents"]), "disable": int(inputs["disable"])}
    if inputs["nodes"]:
        values["nodes"] = ",".join(inputs["nodes"])
    return values | ({"options": inputs["options"]} if "options" in inputs else {})


def _listed(text: str | None, known: list[str] | None) -> list[str]:
    """A set that the API writes in an order of its own: in the order of the state if it is the same."""
    found = [item for item in (text or "").split(",") if item]
    return known if known is not None and sorted(known) == sorted(found) else found
