"""The resources that the dynamic providers of this room serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.kubernetes.attempts import AttemptedMembersProvider
from components.kubernetes.known_kubeconfig import KnownKubeconfigProvider
from components.kubernetes.kubeconfig_file import KubeconfigFileProvider
from components.kubernetes.provider import KubesprayClusterProvider
from components.machines import Login
from settings import Kubernetes


class KubesprayCluster(Resource, module="kubernetes", name="KubesprayCluster"):
    """A cluster that Kubespray's playbooks bring about, grow, shrink and upgrade.

    `nodes` are the `name`, `address`, `role`, `uuid` and `zone` of each machine. Names, roles and zones are known in
    every preview.
    """

    kubeconfig: pulumi.Output[str]
    """The administrator's kubeconfig, secret."""
    recap: pulumi.Output[str]
    """Ansible's recap of the last run: per playbook and host, how many tasks were ok, changed something or failed."""

    def __init__(
        self,
        name: str,
        site: str,
        nodes: Sequence[Mapping[str, pulumi.Input[str]]],
        kubernetes: Kubernetes,
        attempt: AttemptedMembers,
        login: Login,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "site": site,
            "nodes": [dict(node) for node in nodes],
            "attempted": attempt.attempted,
            "begun": attempt.begun,
            "apiServer": str(kubernetes.api_server),
            "version": kubernetes.version,
            "podCidr": str(kubernetes.pod_cidr),
            "serviceCidr": str(kubernetes.service_cidr),
            "registryMirror": kubernetes.registry_mirror or "",
            "kubespray": kubernetes.kubespray.model_dump(),
            "user": login.user,
            "sshPort": login.ssh_port,
            "privateKey": login.private_key,
            # Only known once a playbook has run; an output has to be declared.
            "kubeconfig": None,
            "recap": None,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["kubeconfig"])
        super().__init__(KubesprayClusterProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))


class AttemptedMembers(Resource, module="kubernetes", name="AttemptedMembers"):
    """The machines that were to join a cluster and the versions that it was to have, whatever became of it."""

    attempted: pulumi.Output[Any]
    """Nodes as those of the cluster, each with the number of its `attempt`."""
    begun: pulumi.Output[Any]
    """`kubespray` and `version`, as often as there were others."""

    def __init__(
        self,
        name: str,
        site: str,
        nodes: Sequence[Mapping[str, pulumi.Input[str]]],
        kubernetes: Kubernetes,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "site": site,
            "nodes": [dict(node) for node in nodes],
            "kubespray": kubernetes.kubespray.version,
            "version": kubernetes.version,
            "attempted": None,
            "begun": None,
        }
        super().__init__(AttemptedMembersProvider(), name, props, opts)


class KnownKubeconfig(Resource, module="kubernetes", name="KnownKubeconfig"):
    """The administrator's kubeconfig, which a preview knows also when a playbook is about to run."""

    content: pulumi.Output[str]
    """Secret."""

    def __init__(
        self, name: str, site: str, content: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(KnownKubeconfigProvider(), name, {"site": site, "content": content}, opts)


class KubeconfigFile(Resource, module="kubernetes", name="KubeconfigFile"):
    """A kubeconfig in a file that only its owner reads."""

    path: pulumi.Output[str]

    def __init__(
        self, name: str, path: str, content: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(KubeconfigFileProvider(), name, {"path": path, "content": content}, opts)
