"""The sections of a stack file that say where a site is backed up, and what a backup server serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from settings.fields import Address, Calendar, Cidr, Domain, Folder, HostName, Name, Port, StorageId, TokenId
from settings.models import Model
from settings.problems import Problem
from settings.service_rules import WIDEST

if TYPE_CHECKING:
    from settings.models import Pool


class Retention(Model):
    """How many backups of each machine are kept."""

    daily: Annotated[int, Field(ge=1, le=365)] = 7
    weekly: Annotated[int, Field(ge=0, le=52)] = 4
    monthly: Annotated[int, Field(ge=0, le=120)] = 6


class Pbs(Model):
    """A datastore of a Proxmox Backup Server, which is installed by hand: Debian has no package of it."""

    server: HostName
    """Its name or address."""
    datastore: StorageId
    username: TokenId
    """An API token that may write backups, `user@realm!token`; its secret is `pbsToken`."""
    fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){31}[0-9a-f]{2}$")]
    """SHA-256 of its certificate, as `proxmox-backup-manager cert info` prints it."""


class Backup(Model):
    """Where the site is backed up, and when."""

    stack: Name | None = None
    """The stack of the backup server, of this project; null: none, and every run warns of it."""
    schedule: Calendar = "02:00"
    """When Proxmox VE backs the machines up: a calendar event of systemd, as it writes them (`02:00`, `sat 03:00`)."""
    retention: Retention = Retention()
    vzdump: Literal["nfs", "pbs"] = "nfs"
    """What Proxmox VE writes to: the backup server's directory, or the Proxmox Backup Server that it names."""


class BackedUpSite(Model):
    """A site that this server keeps the backups of."""

    networks: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Who may mount the site's directory for Longhorn: the networks of its machines, and so the pods on them."""
    proxmox_nodes: tuple[Address, ...]
    """Who may mount its directory for vzdump: its Proxmox VE nodes. None where `backup.vzdump` is pbs."""
    control_plane: tuple[Address, ...]
    """Who may mount its directory for snapshots of etcd: the machines of its control plane. None without a cluster."""
    zones: tuple[Domain, ...] = ()
    """The zones that this server has a copy of."""
    dns_address: Address | None = None
    """The site's `services.dnsAddress`, which they are fetched from."""
    dns_port: Port = 53


class BackupServer(Model):
    """What the machine of the pool with the role `storage` serves."""

    sites: Annotated[dict[Name, BackedUpSite], Field(min_length=1)]
    """Site -> who it is."""
    folder: Folder = "/srv/backup"
    """Where everything is kept; each site has a directory of its own in it."""
    dns_port: Port = 53
    """Of the secondary name server."""
    pbs: Pbs | None = None
    """For the sites whose `backup.vzdump` is pbs."""


def backup_server_has_machine(backup_server: BackupServer | None, pools: Sequence[Pool]) -> Iterator[Problem]:
    """What is exported is on one machine: two would not have the same content."""
    count = sum(pool.count for pool in pools if pool.role == "storage")
    if backup_server is not None and count != 1:
        expected = f"needs one machine in the pools of role storage, and there are {count}"
        yield Problem.at("backupServer", "set", "backup-machine", expected)


def backup_zones_have_primary(backup_server: BackupServer | None) -> Iterator[Problem]:
    """A copy comes from somewhere, and of each zone there is one."""
    if backup_server is None:
        return
    for name, site in backup_server.sites.items():
        if site.zones and site.dns_address is None:
            expected = "must be absent, or have a dnsAddress beside it that the zones are fetched from"
            yield Problem.at(f"backupServer.sites.{name}.zones", list(site.zones), "zones-without-primary", expected)
    found: dict[str, str] = {}
    for name, site in backup_server.sites.items():
        for index, zone in enumerate(site.zones):
            path = f"backupServer.sites.{name}.zones[{index}]"
            if found.setdefault(zone, path) != path:
                yield Problem.at(path, zone, "duplicate-secondary-zone", f"is already {found[zone]}")


def backup_is_elsewhere(stack: str, backup: Backup) -> Iterator[Problem]:
    """A server that keeps its own backups loses them with itself."""
    if backup.stack == stack:
        expected = "must be the stack of another server; null for none"
        yield Problem.at("backup.stack", backup.stack, "backup-of-itself", expected)


def exports_are_apart(backup_server: BackupServer | None) -> Iterator[Problem]:
    """Whoever mounts a directory is root in it: it is the site's alone, never everybody's nor another site's."""
    clients = [
        (name, f"backupServer.sites.{name}.{key}[{index}]", client)
        for name, site in (backup_server.sites.items() if backup_server else ())
        for key, listed in (
            ("networks", site.networks),
            ("proxmoxNodes", site.proxmox_nodes),
            ("controlPlane", site.control_plane),
        )
        for index, client in enumerate(listed)
    ]
    for _, path, client in clients:
        if isinstance(client, IPv4Network) and client.prefixlen < WIDEST:
            expected = f"must be a network of the site's machines, /{WIDEST} or smaller"
            yield Problem.at(path, client, "open-export", expected)
    for (owner, taken_by, taken), (name, path, client) in combinations(clients, 2):
        if owner != name and IPv4Network(client).overlaps(IPv4Network(taken)):
            yield Problem.at(path, client, "shared-export", f"must not overlap with {taken_by}, {taken}")


RULES = (backup_server_has_machine, backup_zones_have_primary, backup_is_elsewhere, exports_are_apart)
