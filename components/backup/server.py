"""`BackupServer`: directories for the sites' backups, and a copy of their zones, on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pulumi
import pulumi_random as random
from pulumi.dynamic import Resource

from components.backup.provider import BackupServerProvider
from components.machines import Login, Machine, ready
from settings import BackedUpSite, Pbs
from settings import BackupServer as Settings

DNS_PORT = 53
DIRECTORIES = ("longhorn", "vzdump", "etcd")
"""Of each site: Longhorn's backup target, Proxmox VE's storage for vzdump, snapshots of etcd."""


@dataclass(frozen=True)
class BackupServerArgs:
    """Inputs of a backup server."""

    server: Settings
    machine: Machine
    login: Login
    transfer_key: pulumi.Input[str]
    """Signs the transfers of zones (TSIG): base64, secret."""
    pbs_token: pulumi.Output[str] | None = None
    """Secret of the API token of `server.pbs`, which the sites are handed on."""


class ConfiguredServer(Resource, module="backup", name="BackupServer"):
    """The machine as the playbook leaves it."""

    recap: pulumi.Output[str]
    """Ansible's recap of the last run."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        # Only known once the playbook has run; an output has to be declared.
        super().__init__(BackupServerProvider(), name, {**props, "recap": None}, opts)


class BackupServer(pulumi.ComponentResource):
    """The backup server."""

    address: pulumi.Output[str]
    """IPv4 address, known once everything is served."""
    dns_port: int
    """Of the secondary name server at the same address."""
    directories: dict[str, dict[str, str]]
    """Site -> what for, of `DIRECTORIES` -> the exported directory."""
    pbs: Pbs | None
    """A Proxmox Backup Server, for sites that prefer it to the directory for vzdump."""
    pbs_token: pulumi.Output[str] | None
    """Secret."""

    def __init__(self, name: str, args: BackupServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:backup:BackupServer", name, None, opts)
        child, server, login = pulumi.ResourceOptions(parent=self), args.server, args.login
        # Its API stays on the machine: nobody but the playbook needs the key.
        api_key = random.RandomPassword(f"{name}-dns-api-key", length=48, special=False, opts=child)
        self.pbs, self.pbs_token = server.pbs, args.pbs_token
        self.directories = {
            site: {purpose: f"{server.folder}/{site}/{purpose}" for purpose in DIRECTORIES} for site in server.sites
        }
        configured = ConfiguredServer(
            f"{name}-server",
            {
                "machine": args.machine.name,
                # A machine that is made anew has its predecessor's name and address.
                "uuid": args.machine.uuid,
                "address": args.machine.address,
                "user": login.user,
                "sshPort": login.ssh_port,
                "privateKey": login.private_key,
                "folder": server.folder,
                "sites": {
                    site: {
                        "exports": {
                            self.directories[site][purpose]: list(map(str, clients))
                            for purpose, clients in _clients(known).items()
                        },
                        "zones": list(known.zones),
                        "primary": _primary(known),
                    }
                    for site, known in server.sites.items()
                },
                "dnsPort": server.dns_port,
                "transferKey": args.transfer_key,
                "apiKey": api_key.result,
            },
            # Readiness carries no data that the playbook could use as an input.
            pulumi.ResourceOptions(
                parent=self, depends_on=[ready(f"{name}-ready-{args.machine.name}", args.machine, login, child)]
            ),
        )
        address = args.machine.address
        self.address = configured.id.apply(lambda _: address)
        self.dns_port = server.dns_port
        self.register_outputs({"address": self.address, "recap": configured.recap})


def _clients(site: BackedUpSite) -> dict[str, Sequence[IPv4Address | IPv4Network]]:
    """Who mounts each directory: Longhorn's pods, on any node; Proxmox VE; the kubelets of the control plane.

    Every pod has its node's address. One list for all would show it the machines' disks.
    """
    return {"longhorn": site.networks, "vzdump": site.proxmox_nodes, "etcd": site.control_plane}


def _primary(site: BackedUpSite) -> str:
    """As PowerDNS writes it: without the port that every name server has."""
    return str(site.dns_address) if site.dns_port == DNS_PORT else f"{site.dns_address}:{site.dns_port}"
