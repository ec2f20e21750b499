"""Backups: the server that keeps them, and what a site does to be backed up there."""

from components.backup.etcd import EtcdSnapshots, EtcdSnapshotsArgs
from components.backup.server import BackupServer, BackupServerArgs
from components.backup.site import SiteBackup, SiteBackupArgs

__all__ = ["BackupServer", "BackupServerArgs", "EtcdSnapshots", "EtcdSnapshotsArgs", "SiteBackup", "SiteBackupArgs"]
