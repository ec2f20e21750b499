"""Rules of the `kubernetes` section that come from Kubespray's releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from settings.problems import Problem

if TYPE_CHECKING:
    from settings.models import Kubernetes

KUBERNETES_VERSIONS = {"v2.31.0": {(1, 33): 11, (1, 34): 7, (1, 35): 4}}
"""Kubespray release -> Kubernetes minor version -> its last patch version that the release can install.

Source: `kubelet_checksums` in Kubespray's roles/kubespray_defaults/vars/main/checksums.yml at that tag. A new
release is a change of this program (playbook, variables, Ansible version), so no other is accepted.
"""


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
