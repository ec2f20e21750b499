"""The outputs of a stack: a contract with other teams' programs.

`Outputs` says what each key holds. A key may be added at any time; removing or renaming one, or changing
what it holds, raises `SCHEMA_VERSION`. `python -m outputs > docs/outputs.schema.json` publishes it;
`tests/component/outputs.v1.json` is what was promised, and what it may not break.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

import pulumi
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # Pydantic takes the one of typing from Python 3.12 on only.

if TYPE_CHECKING:
    from components.backup import BackupServer
    from components.images import GoldenImage
    from components.kubernetes import KubernetesCluster
    from components.machines import Machine
    from components.socle import Socle, TlsSecrets
    from components.teams import Teams
    from settings import Services, Settings

SCHEMA_VERSION: Literal[1] = 1

_described = with_config(ConfigDict(use_attribute_docstrings=True, field_title_generator=lambda key, _: key))
_SECRET = {"secret": True}


@_described
class Node(TypedDict):
    """A virtual machine of the site."""

    name: Annotated[str, Field(examples=["paris-masters-1"])]
    """Host name, and the name of the Kubernetes node where the role is part of a cluster."""
    role: Annotated[Literal["control-plane", "worker", "storage"], Field(examples=["control-plane"])]
    """What the machine is for."""
    address: Annotated[str, Field(examples=["10.75.10.101"])]
    """IPv4 address that the guest agent reported."""
    vmId: Annotated[int, Field(examples=[2101])]
    """VMID in Proxmox VE."""
    proxmoxNode: Annotated[str, Field(examples=["pve-par-1"])]
    """Proxmox VE node that carries the machine."""


@_described
class Image(TypedDict):
    """The golden image: a Proxmox VE template."""

    name: Annotated[str, Field(examples=["paris-debian-12-3f2a9c1e5b70"])]
    """Name of the template."""
    vmId: Annotated[int, Field(examples=[2000])]
    """VMID of the template."""


@_described
class Server(TypedDict):
    """A name server."""

    address: Annotated[str, Field(examples=["10.75.10.200"])]
    """IPv4 address."""
    port: Annotated[int, Field(examples=[53])]
    """For UDP and TCP."""


@_described
class DnsApi(TypedDict):
    """The API of PowerDNS."""

    apiUrl: Annotated[str, Field(examples=["https://10.75.10.200:8443"])]
    """Base URL, before `/api/v1`."""
    apiKey: Annotated[str, Field(json_schema_extra=_SECRET)]
    """A secret."""
    caCertificate: Annotated[str, Field(examples=["-----BEGIN CERTIFICATE-----\n"])]
    """PEM of the authority that signed the API's certificate."""


@_described
class Certificate(TypedDict):
    """A certificate of a public authority."""

    chain: Annotated[str, Field(examples=["-----BEGIN CERTIFICATE-----\n"])]
    """PEM, the leaf first."""
    notAfter: Annotated[str, Field(examples=["2027-02-21T12:00:00+00:00"])]
    """End of its validity, ISO 8601, UTC."""


@_described
class OidcClient(TypedDict):
    """What an application that speaks OpenID Connect is to Authentik."""

    issuerUrl: Annotated[str, Field(examples=["https://auth.ef-fr.dev/application/o/proxmox/"])]
    """Base of its configuration, before `.well-known/openid-configuration`."""
    clientId: Annotated[str, Field(examples=["proxmox"])]
    """Its name there."""
    clientSecret: Annotated[str, Field(json_schema_extra=_SECRET)]
    """A secret."""


@_described
class Authentik(TypedDict):
    """Single sign-on, and the directory for applications that know LDAP only."""

    url: Annotated[str, Field(examples=["https://auth.ef-fr.dev/"])]
    """Where people sign in."""
    ldapUrl: Annotated[str, Field(examples=["ldaps://ldap.ef-fr.dev"])]
    """The directory; on a site without an address for it, a name of the cluster, which its certificate is not for."""
    baseDn: Annotated[str, Field(examples=["dc=ef-fr,dc=dev"])]
    """Above people (`ou=users`) and groups (`ou=groups`)."""
    bindDn: Annotated[str, Field(examples=["cn=ldap-bind,ou=users,dc=ef-fr,dc=dev"])]
    """Of the account that looks others up."""
    bindPassword: Annotated[str, Field(json_schema_extra=_SECRET)]
    """Its password, a secret."""
    oidc: NotRequired[dict[str, OidcClient]]
    """External service to its client; absent on a site that was last brought up before there were any."""


@_described
class Directories(TypedDict):
    """Directories of a site that the backup server exports by NFS."""

    longhorn: Annotated[str, Field(examples=["/srv/backup/paris/longhorn"])]
    """For Longhorn's backups of volumes."""
    vzdump: Annotated[str, Field(examples=["/srv/backup/paris/vzdump"])]
    """For Proxmox VE's backups of machines."""
    etcd: Annotated[str, Field(examples=["/srv/backup/paris/etcd"])]
    """For snapshots of the cluster's etcd."""


@_described
class BackupDatastore(TypedDict):
    """A datastore of a Proxmox Backup Server."""

    server: Annotated[str, Field(examples=["10.75.20.7"])]
    """Its name or address."""
    datastore: Annotated[str, Field(examples=["sites"])]
    """Its name there."""
    username: Annotated[str, Field(examples=["sites@pbs!pulumi"])]
    """The API token that writes backups."""
    fingerprint: Annotated[str, Field(examples=["64:d3:ff:3a:50:38:53:5a"])]
    """SHA-256 of the server's certificate."""


@_described
class Backup(TypedDict):
    """What a backup server serves."""

    server: Annotated[str, Field(examples=["10.75.20.100"])]
    """IPv4 address of its NFS server (version 4)."""
    sites: dict[str, Directories]
    """Site to its directories. Only the site itself may mount them: each has its own clients."""
    dnsServer: Server
    """The secondary of the sites' zones."""
    pbs: NotRequired[BackupDatastore]
    """For sites that prefer it to the directory for vzdump."""


@_described
class Outputs(TypedDict):
    """Outputs of an OSS NextGen stack. On a site without a cluster, the keys that only a cluster has are absent."""

    schemaVersion: Annotated[Literal[1], Field(examples=[1])]
    """Version of this contract; a program that knows another one must stop."""
    site: Annotated[str, Field(examples=["paris"])]
    """The site's name, which is also the stack's."""
    domains: Annotated[list[str], Field(examples=[["ef-fr.dev", "ef-fr.io"]])]
    """DNS zones of the site, the platform's own first."""
    image: Image
    """The golden image that new machines are cloned from."""
    nodes: list[Node]
    """Every machine, in the order of the site's pools."""
    apiServer: NotRequired[Annotated[str, Field(examples=["https://10.75.10.10:6443"])]]
    """URL of the Kubernetes API, at its virtual address."""
    kubeconfig: NotRequired[
        Annotated[str, Field(examples=["apiVersion: v1\nkind: Config\n"], json_schema_extra=_SECRET)]
    ]
    """The administrator's kubeconfig (YAML), a secret."""
    kubeconfigPath: NotRequired[Annotated[str, Field(examples=[".kube/paris.yaml"])]]
    """The file that holds it on the machine that ran the program, relative to the project."""
    kubeconfigs: NotRequired[
        Annotated[
            dict[str, Annotated[str, Field(json_schema_extra=_SECRET)]],
            Field(examples=[{"mail": "apiVersion: v1\nkind: Config\n"}]),
        ]
    ]
    """Team to the kubeconfig (YAML) for its own namespace, a secret."""
    storageClass: NotRequired[Annotated[str, Field(examples=["longhorn"])]]
    """Default class for persistent volume claims."""
    ingressAddress: NotRequired[Annotated[str, Field(examples=["10.75.10.201"])]]
    """IPv4 address that names of Ingresses lead to."""
    ingressClass: NotRequired[Annotated[str, Field(examples=["nginx"])]]
    """Class for Ingresses."""
    dnsServers: NotRequired[list[Server]]
    """Authoritative servers of the site's zones."""
    zones: NotRequired[Annotated[list[str], Field(examples=[["ef-fr.dev.", "ef-fr.io."]])]]
    """The site's zones, as absolute names."""
    dns: NotRequired[DnsApi]
    """The API of the name server, for record sets of applications."""
    certificates: NotRequired[dict[str, Certificate]]
    """Zone to its certificate, for the apex and the names directly below it."""
    tlsSecrets: NotRequired[
        Annotated[dict[str, list[str]], Field(examples=[{"ef-fr.dev": ["nginx-ingress/ef-fr-dev-tls"]}])]
    ]
    """Zone to the Secrets, `namespace/name`, that hold its certificate."""
    authentik: NotRequired[Authentik]
    """The site's single sign-on."""
    homepageUrl: NotRequired[Annotated[str, Field(examples=["https://home.ef-fr.dev/"])]]
    """The dashboard."""
    backup: NotRequired[Backup]
    """On the backup server only."""
    pbsToken: NotRequired[Annotated[str, Field(json_schema_extra=_SECRET)]]
    """Secret of the API token of `backup.pbs`."""


def export(
    settings: Settings,
    image: GoldenImage,
    machines: Sequence[Machine],
    cluster: KubernetesCluster | None,
    socle: Socle | None,
    teams: Teams | None,
    backup_server: BackupServer | None,
) -> None:
    """Export the stack's outputs.

    Args:
        settings: The site's settings.
        image: What the machines are cloned from.
        machines: The machines of all pools, in the pools' order.
        cluster: The site's cluster, if it has one.
        socle: What the cluster serves, if it does.
        teams: What other teams have on the cluster, if there is one.
        backup_server: What is kept for other sites, if anything.
    """
    pulumi.export("schemaVersion", SCHEMA_VERSION)
    pulumi.export("site", settings.site)
    pulumi.export("domains", list(settings.domains))
    pulumi.export("image", {"name": image.name, "vmId": image.vm_id})
    pulumi.export(
        "nodes",
        [
            {
                "name": machine.name,
                "role": machine.role,
                "address": machine.address,
                "vmId": machine.vm_id,
                "proxmoxNode": machine.node,
            }
            for machine in machines
        ],
    )
    if cluster is not None:
        pulumi.export("apiServer", cluster.api_server)
        pulumi.export("kubeconfig", pulumi.Output.secret(cluster.kubeconfig))
        pulumi.export("kubeconfigPath", cluster.kubeconfig_path)
    if teams is not None:
        pulumi.export("kubeconfigs", {team: pulumi.Output.secret(text) for team, text in teams.kubeconfigs.items()})
    if socle is not None and settings.services is not None:
        _export_socle(settings.services, socle)
        pulumi.export("tlsSecrets", _references([socle.tls, *(teams.tls if teams else [])]))
    if backup_server is not None:
        backup: dict[str, Any] = {
            "server": backup_server.address,
            "sites": backup_server.directories,
            "dnsServer": {"address": backup_server.address, "port": backup_server.dns_port},
        }
        if backup_server.pbs is not None:
            backup["pbs"] = backup_server.pbs.model_dump()
            pulumi.export("pbsToken", backup_server.pbs_token)
        pulumi.export("backup", backup)


def _export_socle(services: Services, socle: Socle) -> None:
    pulumi.export("storageClass", socle.storage_class)
    pulumi.export("ingressAddress", str(services.ingress_address))
    pulumi.export("ingressClass", socle.ingress_class)
    pulumi.export("dnsServers", [{"address": socle.dns.address, "port": socle.dns.port}])
    pulumi.export("zones", [zone.zone for zone in socle.zones.values()])
    dns = {"apiUrl": socle.dns.api_url, "apiKey": socle.dns.api_key, "caCertificate": socle.dns.ca_certificate}
    pulumi.export("dns", dns)
    pulumi.export(
        "certificates",
        {
            zone: {"chain": certificate.full_chain_pem, "notAfter": certificate.not_after}
            for zone, certificate in socle.certificates.items()
        },
    )
    pulumi.export("authentik", {"url": socle.authentik.url, **socle.authentik.ldap, "oidc": socle.authentik.oidc})
    pulumi.export("homepageUrl", socle.homepage.url)


def _references(copies: Sequence[TlsSecrets]) -> dict[str, list[pulumi.Output[str]]]:
    """Zone -> `namespace/name` of the Secrets that hold its certificate."""
    zones = {zone for copy in copies for zone in copy.references}
    return {zone: [copy.references[zone] for copy in copies if zone in copy.references] for zone in sorted(zones)}


def schema() -> dict[str, Any]:
    """The contract as JSON Schema (2020-12). `"secret": true` marks what Pulumi keeps as a secret."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(Outputs).json_schema(),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
