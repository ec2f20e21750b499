"""`proxmoxve:backup/job:Job`: when Proxmox VE backs up which guests, and how many backups it keeps."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.plugins.base import Call, Failure, Props, Resource
from lab.plugins.proxmoxve.api import Api, ApiError
from lab.plugins.proxmoxve.spec import Block, Items, Value, normalise

KEEP = ("keep-all", "keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly")
JOB = Block(
    {
        "resourceId": Value(str, required=True),
        "schedule": Value(str, required=True),
        "storage": Value(str, required=True),
        "vmids": Items(Value(str)),
        "all": Value(bool, default=False),
        "mode": Value(str, default="snapshot", allowed=("snapshot", "suspend", "stop")),
        "compress": Value(str, default="0", allowed=("0", "1", "gzip", "lzo", "zstd")),
        "enabled": Value(bool, default=True),
        "pruneBackups": Block({name: Value(str) for name in KEEP}, default={}),
        "notesTemplate": Value(str),
        "repeatMissed": Value(bool, default=False),
        # As Proxmox VE has them by itself.
        "bwlimit": Value(int, default=0, allowed=(0,)),
        "ionice": Value(int, default=7, allowed=(7,)),
        "mailnotification": Value(str, default="always", allowed=("always",)),
        "protected": Value(bool, default=False, allowed=(False,)),
        "remove": Value(bool, default=True, allowed=(True,)),
        "stdexcludes": Value(bool, default=True, allowed=(True,)),
    }
)


class Job(Resource):
    """The id is the job's."""

    token: ClassVar[str] = "proxmoxve:backup/job:Job"
    required = frozenset({"resourceId", "schedule", "storage"})
    replace_on = frozenset({"resourceId"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        return normalise(inputs, JOB)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        call.config.api.post("/cluster/backup", id=inputs["resourceId"], **_payload(inputs))
        return inputs["resourceId"], inputs

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        try:
            found = call.config.api.get(f"/cluster/backup/{id}")
        except ApiError as error:
            if "No such job" in str(error):
                return None
            raise
        kept = dict(part.split("=") for part in str(found.get("prune-backups") or "").split(",") if part)
        there: Props = {
            "resourceId": id,
            "schedule": found["schedule"],
            "storage": found["storage"],
            "vmids": str(found["vmid"]).split(",") if "vmid" in found else None,
            "all": bool(found.get("all")),
            "mode": found.get("mode"),
            "compress": found.get("compress"),
            "enabled": bool(found["enabled"]),
            "pruneBackups": kept,
            "notesTemplate": found.get("notes-template"),
            "repeatMissed": bool(found.get("repeat-missed")),
        }
        values, _ = normalise(there, JOB)
        return id, values, values

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        api: Api = call.config.api
        before, now = _payload(inputs_old), _payload(inputs_new)
        gone = sorted(before.keys() - now.keys())
        api.put(f"/cluster/backup/{id}", **now, **({"delete": ",".join(gone)} if gone else {}))
        return inputs_new

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        try:
            call.config.api.delete(f"/cluster/backup/{id}")
        except ApiError as error:
            if "No such job" not in str(error):
                raise


def _payload(inputs: Props) -> dict[str, Any]:
    payload = {name: inputs[name] for name in ("schedule", "storage", "mode", "compress")}
    payload |= {"enabled": int(inputs["enabled"]), "repeat-missed": int(inputs["repeatMissed"])}
    if inputs["all"]:
        payload["all"] = 1
    if inputs.get("vmids"):
        payload["vmid"] = ",".join(inputs["vmids"])
    if inputs["pruneBackups"]:
        payload["prune-backups"] = ",".join(f"{key}={value}" for key, value in sorted(inputs["pruneBackups"].items()))
    return payload | ({"notes-template": inputs["notesTemplate"]} if "notesTemplate" in inputs else {})
