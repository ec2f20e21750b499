"""`KubernetesCluster`: from machines that boot to an API server that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes.inventory import API_PORT
from components.kubernetes.resources import AttemptedMembers, KnownKubeconfig, KubeconfigFile, KubesprayCluster
from components.machines import Login, Machine, ready
from settings import Kubernetes


@dataclass(frozen=True)
class KubernetesClusterArgs:
    """Which machines become a cluster, and how they are reached."""

    site: str
    kubernetes: Kubernetes
    machines: Sequence[Machine]
    login: Login


class KubernetesCluster(pulumi.ComponentResource):
    """The site's cluster."""

    kubeconfig: pulumi.Output[str]
    """The administrator's, secret."""
    kubeconfig_path: pulumi.Output[str]
    """Local file with the same content, relative to the clone."""
    api_server: pulumi.Output[str]
    """URL at the virtual address; known once the cluster answers."""
    recap: pulumi.Output[str]
    """Ansible's recap of the last run that changed the cluster."""

    def __init__(self, name: str, args: KubernetesClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:kubernetes:KubernetesCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        nodes: list[dict[str, pulumi.Input[str]]] = [
            {
                "name": machine.name,
                "address": machine.address,
                "role": machine.role,
                "uuid": machine.uuid,
                "zone": machine.node,
            }
            for machine in args.machines
        ]
        # Readiness carries no data that the others could use as an input.
        all_ready = pulumi.ResourceOptions(
            parent=self,
            depends_on=[ready(f"{name}-ready-{machine.name}", machine, args.login, child) for machine in args.machines],
        )
        attempt = AttemptedMembers(f"{name}-attempted", args.site, nodes, args.kubernetes, all_ready)
        cluster = KubesprayCluster(
            f"{name}-kubespray", args.site, nodes, args.kubernetes, attempt, args.login, all_ready
        )
        self.kubeconfig = KnownKubeconfig(f"{name}-administrator", args.site, cluster.kubeconfig, child).content
        path = args.kubernetes.kubeconfig_path or f".kube/{args.site}.yaml"
        file = KubeconfigFile(f"{name}-kubeconfig", path, self.kubeconfig, child)
        url = f"https://{args.kubernetes.api_server}:{API_PORT}"
        self.kubeconfig_path, self.recap = file.path, cluster.recap
        self.api_server = cluster.id.apply(lambda _: url)
        self.register_outputs(
            {
                "kubeconfig": self.kubeconfig,
                "kubeconfigPath": self.kubeconfig_path,
                "apiServer": self.api_server,
                "recap": self.recap,
            }
        )
