"""`Longhorn`: volumes that survive the loss of a node, and copies of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apiextensions, core, meta

from components.socle.release import release
from settings import Chart, Schedule, Storage

API = "longhorn.io/v1beta2"
STORAGE_CLASS = "longhorn"
"""The name is the chart's."""
REPLICAS = 3
"""Of each volume, on as many nodes."""


@dataclass(frozen=True)
class BackupStore:
    """Where volumes are backed up to."""

    url: pulumi.Input[str]
    """`nfs://host:/path`, `s3://bucket@region/` or `cifs://host/share`."""
    credentials: pulumi.Input[Mapping[str, str]] | None = None
    """Secret; NFS has none. The names are Longhorn's, such as `CIFS_USERNAME`:
    https://longhorn.io/docs/1.12.1/snapshots-and-backups/backup-and-restore/set-backup-target/"""


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
    backup_store: BackupStore | None = None


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
            "defaultBackupStore": self._default_store(),
        }
        child = pulumi.ResourceOptions(parent=self, protect=args.protection)
        installed = release("longhorn", args.chart, args.namespace, values, child)
        # The kind comes with the chart, and so does the webhook that checks it.
        after = pulumi.ResourceOptions(parent=self, depends_on=[installed])
        self._job("snapshot", args.storage.snapshots, after)
        if args.backup_store:
            self._job("backup", args.storage.backups, after)
        # By the id, see there: a claim whose class is unknown would be replaced.
        self.storage_class = installed.id.apply(lambda _: STORAGE_CLASS)
        self.register_outputs({"storageClass": self.storage_class})

    def _default_store(self) -> dict[str, pulumi.Input[str]]:
        """Longhorn keeps its default BackupTarget, which nobody else may make or delete, as the chart's ConfigMap says,
        after the first start too. It keeps what it has of a key that is left out: no store is an empty text.
        """
        store = self._args.backup_store
        secret: pulumi.Input[str] = ""
        if store and store.credentials is not None:
            made = core.v1.Secret(
                "longhorn-backup-store",
                metadata=meta.v1.ObjectMetaArgs(name="backup-store", namespace=self._args.namespace),
                string_data=pulumi.Output.secret(store.credentials),
                opts=pulumi.ResourceOptions(parent=self),
            )
            secret = made.metadata.name
        return {"backupTarget": store.url if store else "", "backupTargetCredentialSecret": secret}

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
