"""`Longhorn`: volumes that survive the loss of a node, and copies of them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apiextensions, meta

from components.socle.release import release
from settings import Chart, Schedule, Storage

API = "longhorn.io/v1beta2"
STORAGE_CLASS = "longhorn"
"""The name is the chart's."""
REPLICAS = 3
"""Of each volume, on as many nodes."""


@dataclass(frozen=True)
class LonghornArgs:
    """Inputs of Longhorn."""

    chart: Chart
    namespace: pulumi.Input[str]
    nodes: int
    """Number of nodes that carry volumes."""
    protection: bool
    """Pulumi's `protect`, and Longhorn's own flag: with it, Longhorn refuses to be uninstalled."""
    storage: Storage
    backup_target: pulumi.Input[str] | None = None
    """Where volumes are backed up to, `nfs://host:/path`; None: nowhere."""


class Longhorn(pulumi.ComponentResource):
    """Longhorn, its StorageClass (the cluster's default) and its recurring jobs."""

    storage_class: pulumi.Output[str]
    """Name for claims. Longhorn makes the class a moment after it is ready; claims wait for it."""

    def __init__(self, name: str, args: LonghornArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Longhorn", name, None, opts)
        self._args = args
        replicas = min(REPLICAS, args.nodes)
        values = {
            "persistence": {"defaultClassReplicaCount": replicas},
            "defaultSettings": {
                "defaultReplicaCount": replicas,
                # https://longhorn.io/docs/1.12.1/deploy/uninstall/
                "deletingConfirmationFlag": not args.protection,
            },
            "defaultBackupStore": _backup_store(args.backup_target),
        }
        child = pulumi.ResourceOptions(parent=self, protect=args.protection)
        installed = release("longhorn", args.chart, args.namespace, values, child)
        # The kind comes with the chart, and so does the webhook that checks it.
        after = pulumi.ResourceOptions(parent=self, depends_on=[installed])
        self._job("snapshot", args.storage.snapshots, after)
        if args.backup_target is not None:
            self._job("backup", args.storage.backups, after)
        # By the id, see there: a claim whose class is unknown would be replaced.
        self.storage_class = installed.id.apply(lambda _: STORAGE_CLASS)
        self.register_outputs({"storageClass": self.storage_class})

    def _job(self, task: str, schedule: Schedule, opts: pulumi.ResourceOptions) -> None:
        apiextensions.CustomResource(
            f"longhorn-{task}",
            api_version=API,
            kind="RecurringJob",
            metadata=meta.v1.ObjectMetaArgs(name=task, namespace=self._args.namespace),
            spec={
                "name": task,
                "task": task,
                # Of every volume that has no job of its own.
                "groups": ["default"],
                "cron": schedule.cron,
                "retain": schedule.retain,
                # One volume after the other. Longhorn's webhook adds it and the empty ones: a refresh would see them.
                "concurrency": 1,
                "labels": {},
                "parameters": {},
            },
            opts=opts,
        )


def _backup_store(target: pulumi.Input[str] | None) -> dict[str, pulumi.Input[str]]:
    """Longhorn keeps its default BackupTarget, which nobody else may make or delete, as the chart's ConfigMap says,
    after the first start too. It keeps what it has of a key that is left out: no target is an empty text.
    """
    return {"backupTarget": "" if target is None else target, "backupTargetCredentialSecret": ""}
