"""`SiteBackup`: what a site does on its own Proxmox VE to be backed up on the server of another stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_proxmoxve as proxmoxve

from components.machines import Machine
from components.references import Reference, ReferenceProblem
from outputs import Backup, BackupDatastore, Directories
from settings import Backup as Settings

STORAGE = "oss-nextgen-backup"
"""Proxmox VE's name of the storage."""
PBS_STORAGE = f"{STORAGE}-pbs"
"""The same on a Proxmox Backup Server. Not one name for both: the new one is there before the old one goes."""
NFS_OPTIONS = "vers=4.2"
"""The server speaks no older one than 4."""


@dataclass(frozen=True)
class SiteBackupArgs:
    """Inputs of a site's backups."""

    site: str
    server: Reference
    """The stack of the backup server."""
    settings: Settings
    nodes: Sequence[str]
    """Proxmox nodes that carry machines."""
    machines: Sequence[Machine]


class SiteBackup(pulumi.ComponentResource):
    """A storage on the backup server, and a job that backs the machines up to it."""

    longhorn: pulumi.Output[str]
    """Its target for Longhorn's backups of volumes, `nfs://host:/path`."""
    server: pulumi.Output[str]
    """Address of the server."""
    etcd: pulumi.Output[str]
    """Its directory for snapshots of etcd."""

    def __init__(self, name: str, args: SiteBackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:backup:SiteBackup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Little of it can be changed in place, and its successor has its name. A job may name one that is gone.
        storage_child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        backup = args.server.plain("backup", Backup)
        directories = backup.apply(lambda backup: _directories(backup, args))
        self.server, self.etcd = backup["server"], directories["etcd"]
        self.longhorn = pulumi.Output.concat("nfs://", self.server, ":", directories["longhorn"])
        storage: proxmoxve.storage.Nfs | proxmoxve.storage.Pbs
        if args.settings.vzdump == "pbs":
            pbs = backup.apply(lambda backup: _pbs(backup, args))
            storage = self._datastore(f"{name}-storage", pbs, args, storage_child)
        else:
            storage = proxmoxve.storage.Nfs(
                f"{name}-storage",
                resource_id=STORAGE,
                server=self.server,
                export=directories["vzdump"],
                contents=["backup"],
                nodes=sorted(args.nodes),
                options=NFS_OPTIONS,
                opts=storage_child,
            )
        keep = args.settings.retention.model_dump()
        self.job = proxmoxve.backup.Job(
            f"{name}-job",
            resource_id=f"oss-nextgen-{args.site}",
            schedule=args.settings.schedule,
            storage=storage.resource_id,
            # A worker is made anew, and Longhorn backs up the volumes on it.
            vmids=[str(machine.vm_id) for machine in args.machines if machine.role != "worker"],
            mode="snapshot",
            compress="zstd",
            prune_backups={f"keep-{period}": str(count) for period, count in keep.items() if count},
            notes_template="{{guestname}}",
            # A node that was off at that time makes up for it.
            repeat_missed=True,
            opts=child,
        )
        self.register_outputs({"longhornTarget": self.longhorn})

    def _datastore(
        self, name: str, pbs: pulumi.Output[BackupDatastore], args: SiteBackupArgs, opts: pulumi.ResourceOptions
    ) -> proxmoxve.storage.Pbs:
        # All sites share the datastore: no two of them have a VMID in common.
        return proxmoxve.storage.Pbs(
            name,
            resource_id=PBS_STORAGE,
            server=pbs["server"],
            datastore=pbs["datastore"],
            username=pbs["username"],
            password=args.server.secret("pbsToken", str),
            fingerprint=pbs["fingerprint"],
            contents=["backup"],
            nodes=sorted(args.nodes),
            opts=opts,
        )


def _directories(backup: Backup, args: SiteBackupArgs) -> Directories:
    if args.site not in backup["sites"]:
        known = ", ".join(sorted(backup["sites"]))
        stack = args.settings.stack
        raise ReferenceProblem(
            "unknown-site",
            f"The backup server of the stack {stack} keeps nothing for {args.site}, only for {known}: add it to "
            f"backupServer.sites in Pulumi.{stack}.yaml, then pulumi up -s {stack}",
        )
    return backup["sites"][args.site]


def _pbs(backup: Backup, args: SiteBackupArgs) -> BackupDatastore:
    if "pbs" not in backup:
        stack = args.settings.stack
        raise ReferenceProblem(
            "no-datastore",
            f"backup.vzdump is pbs, and the stack {stack} names no Proxmox Backup Server: set backupServer.pbs in "
            f"Pulumi.{stack}.yaml, then pulumi up -s {stack}; or let backup.vzdump be nfs",
        )
    return backup["pbs"]
