"""The site's Kubernetes cluster, made by Kubespray."""

from components.kubernetes.component import KubernetesCluster, KubernetesClusterArgs

__all__ = ["KubernetesCluster", "KubernetesClusterArgs"]
