"""Rules for ports of the machines, where SSH is beside what else listens; `rules` applies them with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from settings.problems import Problem

if TYPE_CHECKING:
    from settings.backup import BackupServer
    from settings.models import Access, Kubernetes

MACHINE_PORTS: Final = {111: "rpcbind's"}
"""Port -> whose it is on every machine: nfs-common brings it."""
NODE_PORTS: Final = {
    53: "the DNS cache's",
    2379: "etcd's",
    2380: "etcd's",
    6443: "the API server's",
    7946: "MetalLB's",
    9099: "Calico's",
    10248: "the kubelet's",
    10249: "kube-proxy's",
    10250: "the kubelet's",
    10256: "kube-proxy's",
    10257: "the controller manager's",
    10259: "the scheduler's",
    **dict.fromkeys(range(30000, 32768), "a Service's node port"),
}
"""The same on the nodes of a cluster (https://kubernetes.io/docs/reference/networking/ports-and-protocols/)."""
STORE_PORTS: Final = {2049: "NFS's", 8081: "the name server's own API's"}
"""The same on the backup server (backup/roles)."""


def ssh_port_is_free(
    access: Access, kubernetes: Kubernetes | None, backup_server: BackupServer | None
) -> Iterator[Problem]:
    """sshd listens on all addresses of a machine."""
    taken = MACHINE_PORTS | (NODE_PORTS if kubernetes else {})
    if backup_server is not None:
        taken |= STORE_PORTS | {backup_server.dns_port: "the name server's (backupServer.dnsPort)"}
    if access.ssh_port in taken:
        expected = f"must be another port: on the machines this one is {taken[access.ssh_port]}"
        yield Problem.at("access.sshPort", access.ssh_port, "ssh-port-taken", expected)


def backup_dns_port_is_free(backup_server: BackupServer | None) -> Iterator[Problem]:
    """The name server has one machine with all else that the backup server serves."""
    taken = MACHINE_PORTS | STORE_PORTS
    if backup_server is not None and backup_server.dns_port in taken:
        expected = f"must be another port: on the backup server this one is {taken[backup_server.dns_port]}"
        yield Problem.at("backupServer.dnsPort", backup_server.dns_port, "backup-dns-port-taken", expected)


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (ssh_port_is_free, backup_dns_port_is_free)
