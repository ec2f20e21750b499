"""Rules of the `kubernetes` section that come from Kubespray, kubeadm and Calico."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from settings.problems import Problem

if TYPE_CHECKING:
    from settings.models import Kubernetes, Pool

KUBERNETES_VERSIONS = {"v2.31.0": {(1, 33): 11, (1, 34): 7, (1, 35): 4}}
"""Kubespray release -> Kubernetes minor version -> its last patch version that the release can install.

Source: `kubelet_checksums` in Kubespray's roles/kubespray_defaults/vars/main/checksums.yml at that tag. A new
release is a change of this program (playbook, variables, Ansible version), so no other is accepted.
"""

SERVICE_PREFIXES: Final = range(12, 29)
"""Of a network of services. Source: kubeadm, cmd/kubeadm/app/constants: at most 20 bits and at least ten addresses."""
BLOCK_PREFIX: Final = 26
"""Of the blocks of addresses that Calico gives to nodes. Source: `calico_pool_blocksize` of Kubespray, which takes
Calico and leaves kubeadm's own check, a /24 for each node, out (`allocate-node-cidrs: false`)."""
UNROUTED: Final = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
"""This host, loopback, link-local, multicast and reserved (RFC 6890): never a pod's or a service's."""


def version_is_supported(kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """Kubespray installs only the versions whose checksums it knows."""
    if kubernetes is None:
        return
    release = kubernetes.kubespray.version
    minors = KUBERNETES_VERSIONS.get(release)
    if minors is None:
        expected = f"must be {' or '.join(KUBERNETES_VERSIONS)}, which this program is written for"
        yield Problem.at("kubernetes.kubespray.version", release, "kubespray-version", expected)
        return
    major, minor, patch = (int(part) for part in kubernetes.version.split("."))
    if patch > minors.get((major, minor), -1):
        ranges = " or ".join(f"{a}.{b}.0 to {a}.{b}.{last}" for (a, b), last in minors.items())
        expected = f"must be one that Kubespray {release} installs: {ranges}"
        yield Problem.at("kubernetes.version", kubernetes.version, "kubernetes-version", expected)


def networks_fit(kubernetes: Kubernetes | None, pools: Sequence[Pool]) -> Iterator[Problem]:
    """Neither network can be changed once the cluster is there."""
    if kubernetes is None:
        return
    pods, services = kubernetes.pod_cidr, kubernetes.service_cidr
    for key, cidr in (("podCidr", pods), ("serviceCidr", services)):
        if any(cidr.overlaps(network) for network in UNROUTED):
            expected = "must hold no loopback, link-local, multicast or reserved addresses, as 10.233.64.0/18 does"
            yield Problem.at(f"kubernetes.{key}", cidr, "unrouted-cidr", expected)
    if services.prefixlen not in SERVICE_PREFIXES:
        expected = (
            f"must be a network between /{SERVICE_PREFIXES[0]} and /{SERVICE_PREFIXES[-1]}: kubeadm takes no other"
        )
        yield Problem.at("kubernetes.serviceCidr", services, "service-cidr-size", expected)
    # Every machine of the site is a node, whatever its role.
    nodes = sum(pool.count for pool in pools)
    if 2.0 ** (BLOCK_PREFIX - pods.prefixlen) < nodes:
        least = BLOCK_PREFIX - (nodes - 1).bit_length()
        expected = f"must be /{least} or larger: each of {nodes} nodes needs a /{BLOCK_PREFIX} of it for its pods"
        yield Problem.at("kubernetes.podCidr", pods, "pod-cidr-too-small", expected)


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (version_is_supported, networks_fit)
