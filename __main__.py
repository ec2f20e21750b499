"""The program: one site, from bare Proxmox to HTTPS, in the order of the components below."""

import gc

# A run declares some hundred resources and ends. Python's search for garbage among them, and among the
# thousands of classes of the SDKs, would cost a quarter of a preview's time.
gc.disable()

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_proxmoxve as proxmoxve

from components.backup import (
    BackupServer,
    BackupServerArgs,
    EtcdSnapshots,
    EtcdSnapshotsArgs,
    SiteBackup,
    SiteBackupArgs,
)
from components.credentials import Credentials
from components.images import GoldenImage, GoldenImageArgs
from components.kubernetes import KubernetesCluster, KubernetesClusterArgs
from components.machines import Login, vm_pools
from components.preflight import Preflight, PreflightArgs
from components.references import Reference
from components.socle import Socle, SocleArgs
from components.teams import Teams, TeamsArgs
from outputs import SCHEMA_VERSION, export
from settings import Settings, optional_secret, secret

settings = Settings.load()
site, proxmox = settings.site, settings.proxmox
api_token = secret("proxmoxApiToken")
# Before anything is made: it says what to bring up first.
backup_stack = Reference(settings.backup.stack, SCHEMA_VERSION) if settings.backup.stack else None

preflight = Preflight(
    site, PreflightArgs(proxmox, api_token, settings.network, settings.pools, settings.image, backup_stack is not None)
)
server = proxmoxve.Provider(
    "proxmox",
    endpoint=proxmox.endpoint,
    api_token=api_token,
    insecure=proxmox.insecure,
    # On the provider, so that all that it makes waits for the check.
    opts=pulumi.ResourceOptions(depends_on=[preflight]),
)
on_proxmox = pulumi.ResourceOptions(providers=[server])

credentials = Credentials("credentials", settings.protection)
image = GoldenImage("image", GoldenImageArgs(settings, credentials, api_token), opts=on_proxmox)

machines = vm_pools(settings, image.template, credentials.public_key, api_token, on_proxmox)
login = Login(settings.access.user, settings.access.ssh_port, proxmox.boot_seconds, credentials.private_key)

backup_server = backup = None
if settings.backup_server is not None:
    [storage] = [machine for machine in machines if machine.role == "storage"]
    server_args = BackupServerArgs(
        settings.backup_server, storage, login, secret("dnsTransferKey"), optional_secret("pbsToken")
    )
    backup_server = BackupServer("backup", server_args)
if backup_stack is not None:
    backup_args = SiteBackupArgs(site, backup_stack, settings.backup, proxmox.nodes, machines)
    backup = SiteBackup("backup", backup_args, on_proxmox)
elif backup_server is None:
    pulumi.warn("oss-nextgen:backup.stack names no stack: nothing of this site is kept anywhere else")

cluster = socle = teams = None
if settings.kubernetes is not None:
    cluster = KubernetesCluster(
        "kubernetes",
        KubernetesClusterArgs(site=site, kubernetes=settings.kubernetes, machines=machines, login=login),
    )
    # A renewed kubeconfig must not replace what is on the cluster: the site identifies it. Nor must a renewed
    # certificate replace its Secret, which would be gone, and HTTPS with it, until the new one is there.
    api = kubernetes.Provider(
        "kubernetes", kubeconfig=cluster.kubeconfig, cluster_identifier=site, enable_secret_mutable=True
    )
    on_cluster = pulumi.ResourceOptions(providers=[api])
    if backup is not None:
        EtcdSnapshots("etcd-snapshots", EtcdSnapshotsArgs(backup.server, backup.etcd), on_cluster)
    if settings.services is not None:
        target = backup.longhorn if backup else None
        socle_args = SocleArgs(settings, settings.services, optional_secret("dnsTransferKey"), target)
        socle = Socle("socle", socle_args, on_cluster)
    certificates = socle.tls_certificates if socle else {}
    teams_args = TeamsArgs(site, settings.teams, cluster.api_server, certificates, settings.protection)
    teams = Teams("teams", teams_args, on_cluster)

export(settings, image, machines, cluster, socle, teams, backup_server)
# Nor is there any to look for when the interpreter ends.
gc.freeze()
