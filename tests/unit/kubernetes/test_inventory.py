"""Kubespray's inventory and variables."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from components import ansible
from components.kubernetes import runner
from components.kubernetes.inventory import REGISTRIES, Cluster, inventory, variables
from components.kubernetes.runner import GROUP_VARS
from tests.unit.kubernetes.example import CLUSTER, MASTERS, WORKER

GRAPH = """\
@all:
  |--@ungrouped:
  |--@kube_control_plane:
  |  |--paris-masters-1
  |  |--paris-masters-2
  |  |--paris-masters-3
  |--@etcd:
  |  |--paris-masters-1
  |  |--paris-masters-2
  |  |--paris-masters-3
  |--@kube_node:
  |  |--paris-workers-1
  |  |--paris-store-1
  |--@k8s_cluster:
  |  |--@kube_control_plane:
  |  |  |--paris-masters-1
  |  |  |--paris-masters-2
  |  |  |--paris-masters-3
  |  |--@kube_node:
  |  |  |--paris-workers-1
  |  |  |--paris-store-1
"""


def members(cluster: Cluster) -> dict[str, list[str]]:
    groups: dict[str, Any] = inventory(cluster)["all"]["children"]
    return {name: list(group["hosts"]) for name, group in groups.items() if "hosts" in group}


def test_groups_follow_the_roles() -> None:
    masters = [node.name for node in MASTERS]
    assert members(CLUSTER) == {
        "kube_control_plane": masters,
        "etcd": masters,
        "kube_node": ["paris-workers-1", "paris-store-1"],
    }


def test_a_site_without_workers_runs_pods_on_its_control_plane() -> None:
    groups = members(replace(CLUSTER, nodes=MASTERS))
    assert groups["kube_node"] == groups["kube_control_plane"]


def test_every_host_has_its_address_for_ansible_and_for_kubernetes() -> None:
    hosts = inventory(CLUSTER)["all"]["hosts"]
    assert hosts["paris-workers-1"] == dict.fromkeys(("ansible_host", "ip", "access_ip"), "10.75.10.111")


def test_a_node_is_in_the_zone_of_the_proxmox_node_that_carries_it() -> None:
    hosts = inventory(replace(CLUSTER, nodes=[MASTERS[0], replace(WORKER, zone="pve2")]))["all"]["hosts"]
    assert hosts[WORKER.name]["node_labels"] == {"topology.kubernetes.io/zone": "pve2"}
    # A state that does not know it is no reason to set an empty one.
    assert "node_labels" not in hosts[MASTERS[0].name]


def test_a_member_of_etcd_keeps_its_name_when_another_leaves() -> None:
    hosts = inventory(replace(CLUSTER, nodes=[MASTERS[0], MASTERS[2], WORKER]))["all"]["hosts"]
    named = {name: host["etcd_member_name"] for name, host in hosts.items() if "etcd_member_name" in host}
    assert named == {node.name: node.name for node in (MASTERS[0], MASTERS[2])}


def test_ansible_sees_kubesprays_groups() -> None:
    with runner.workspace(CLUSTER, "no key is needed") as folder:
        hosts = folder / "inventory/hosts.yaml"
        shown = subprocess.run(
            [ansible.interpreter(), "-I", "-m", "ansible", "inventory", "-i", hosts, "--graph"],
            env={**os.environ, **ansible.environment(folder)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert shown == GRAPH


def test_machines_log_no_arguments(tmp_path: Path) -> None:
    shown = subprocess.run(
        [ansible.interpreter(), "-I", "-m", "ansible", "config", "dump", "--only-changed", "--format", "json"],
        env={**os.environ, **ansible.environment(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    values = {each["name"]: each["value"] for each in json.loads(shown) if "value" in each}
    assert values["DEFAULT_NO_TARGET_SYSLOG"] is True


def test_the_virtual_address_is_the_load_balancer() -> None:
    computed = variables(CLUSTER)
    assert computed["kube_vip_address"] == computed["loadbalancer_apiserver"]["address"] == "10.75.10.10"
    assert computed["loadbalancer_apiserver"]["port"] == 6443


def test_images_come_from_their_registries_or_from_the_mirror() -> None:
    """As Kubespray's `docs/CRI/containerd.md` has the variable."""
    assert _hosts(CLUSTER) == {
        "docker.io": ("https://registry-1.docker.io", False),
        "ghcr.io": ("https://ghcr.io", False),
        "quay.io": ("https://quay.io", False),
        "registry.k8s.io": ("https://registry.k8s.io", False),
    }
    mirrored = _hosts(replace(CLUSTER, registry_mirror="registry.example:5000"))
    assert mirrored == {name: (f"https://registry.example:5000/v2/{name}", True) for name in REGISTRIES}


def _hosts(cluster: Cluster) -> dict[str, tuple[str, bool]]:
    found = {}
    for registry in variables(cluster)["containerd_registries_mirrors"]:
        (mirror,) = registry["mirrors"]
        # Where containerd looks for what the mirror lacks.
        assert registry["server"] == f"https://{REGISTRIES[registry['prefix']]}"
        assert mirror["capabilities"] == ["pull", "resolve"]
        found[registry["prefix"]] = mirror["host"], mirror["override_path"]
    return found


def test_overrides_and_computed_variables_are_disjoint() -> None:
    """An override in group_vars would silently win over a site's own value."""
    overrides = [yaml.safe_load(path.read_text()) for path in GROUP_VARS.glob("*.yml")]
    assert overrides
    assert all(not variables(CLUSTER).keys() & override.keys() for override in overrides)


def test_properties_of_the_engine_become_a_cluster() -> None:
    """Numbers arrive as floats, and other properties are left alone."""
    props = {
        "nodes": [{"name": n.name, "address": n.address, "role": n.role, "uuid": "u"} for n in CLUSTER.nodes],
        "apiServer": "10.75.10.10",
        "version": "1.35.4",
        "podCidr": "10.233.64.0/18",
        "serviceCidr": "10.233.0.0/18",
        "user": "ossng",
        "sshPort": 22.0,
        "privateKey": "secret",
    }
    cluster = Cluster.from_properties(props)
    assert cluster == CLUSTER
    assert "secret" not in yaml.safe_dump(inventory(cluster))
