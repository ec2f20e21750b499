"""Kubespray's inventory and variables, made from a site's machines. Pure: no Pulumi, no files.

Names are those of Kubespray v2.31.0 (`inventory/sample` and `docs/` of that release). What depends
on the site is computed here; deliberate overrides that all sites share are in
`kubespray/group_vars/all.yml`. Neither holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

API_PORT = 6443
ZONE = "topology.kubernetes.io/zone"
REGISTRIES = {
    "docker.io": "registry-1.docker.io",
    "ghcr.io": "ghcr.io",
    "quay.io": "quay.io",
    "registry.k8s.io": "registry.k8s.io",
}
"""Registry that an image is named after -> the host that serves it: all that Kubespray, charts and manifests name."""


@dataclass(frozen=True)
class Node:
    """A machine as Kubespray sees it."""

    name: str
    address: str
    """IPv4 address that Ansible connects to and that Kubernetes uses between nodes."""
    role: str
    """`control-plane`, `worker` or `storage`, as in the settings' pools."""
    zone: str = ""
    """Proxmox node that carries it, whose loss is the loss of all on it; empty in a state that does not know it."""

    @classmethod
    def from_properties(cls, props: Mapping[str, Any]) -> Node:
        """Read a node of a resource's properties. States of before know no zone."""
        return cls(props["name"], props["address"], props["role"], props.get("zone", ""))


@dataclass(frozen=True)
class Cluster:
    """What Kubespray is to bring about."""

    nodes: Sequence[Node]
    api_server: str
    """Virtual address of the API server."""
    version: str
    """Kubernetes version without `v`."""
    pod_cidr: str
    service_cidr: str
    user: str
    """Login on the machines; may use sudo without a password."""
    ssh_port: int
    registry_mirror: str = ""
    """Registry, `host` or `host:port`, that every image comes from; empty: the public ones."""

    @classmethod
    def from_properties(cls, props: Mapping[str, Any]) -> Cluster:
        """Read a resource's properties, as the engine gives them."""
        return cls(
            nodes=[Node.from_properties(node) for node in props["nodes"]],
            api_server=props["apiServer"],
            version=props["version"],
            pod_cidr=props["podCidr"],
            service_cidr=props["serviceCidr"],
            user=props["user"],
            ssh_port=int(props["sshPort"]),
            registry_mirror=props.get("registryMirror", ""),
        )


def inventory(cluster: Cluster) -> dict[str, Any]:
    """The content of `hosts.yaml`.

    etcd runs on the control plane. Pods run on the other nodes, or on the control plane where a
    site has nothing else: Kubespray then leaves out the taint. `k8s_cluster` is there because Kubespray
    itself would only put the hosts of a run's `--limit` into it.
    """
    control_plane = [node.name for node in cluster.nodes if node.role == "control-plane"]
    others = [node.name for node in cluster.nodes if node.role != "control-plane"]
    return {
        "all": {
            "vars": variables(cluster),
            "hosts": {node.name: _host(node) for node in cluster.nodes},
            "children": {
                "kube_control_plane": _group(control_plane),
                "etcd": _group(control_plane),
                "kube_node": _group(others or control_plane),
                "k8s_cluster": {"children": {"kube_control_plane": {}, "kube_node": {}}},
            },
        }
    }


def variables(cluster: Cluster) -> dict[str, Any]:
    """Variables that depend on the site."""
    return {
        "ansible_user": cluster.user,
        "ansible_port": cluster.ssh_port,
        "kube_version": cluster.version,
        "kube_pods_subnet": cluster.pod_cidr,
        "kube_service_addresses": cluster.service_cidr,
        "kube_vip_address": cluster.api_server,
        "loadbalancer_apiserver": {"address": cluster.api_server, "port": API_PORT},
        "containerd_registries_mirrors": [_mirrored(name, cluster.registry_mirror) for name in REGISTRIES],
    }


def _mirrored(registry: str, mirror: str) -> dict[str, Any]:
    """Where containerd finds a registry's images. Without a mirror that is said, too: Kubespray removes no file, and
    one that is taken away again would stay in force.

    A mirror has the images below the name of their registry, `<mirror>/docker.io/library/postgres`, as a proxy
    project of Harbor has them, and `skopeo sync --scoped`. containerd falls back on the registry for what is missing.
    """
    own = REGISTRIES[registry]
    host = f"{mirror}/v2/{registry}" if mirror else own
    # The path is the API's own root already.
    way = {"host": f"https://{host}", "capabilities": ["pull", "resolve"], "override_path": bool(mirror)}
    return {"prefix": registry, "server": f"https://{own}", "mirrors": [way]}


def _host(node: Node) -> dict[str, Any]:
    host: dict[str, Any] = {"ansible_host": node.address, "ip": node.address, "access_ip": node.address}
    if node.zone:
        # Longhorn puts the replicas of a volume into as many zones as there are.
        host["node_labels"] = {ZONE: node.zone}
    if node.role == "control-plane":
        # Kubespray's default counts the members, and so renames those behind one that leaves.
        host["etcd_member_name"] = node.name
        # What Kubespray makes of access_ip on the machine itself, and misses where that is lost (its issue 12986).
        host["main_access_ip"] = node.address
    return host


def _group(names: Sequence[str]) -> dict[str, Any]:
    return {"hosts": {name: {} for name in names}}
