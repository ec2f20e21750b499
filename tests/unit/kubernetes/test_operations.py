"""The lab's playbooks beside `cluster.yml`, run by real Ansible over real SSH into guests, one after the other."""

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
import yaml

from components.ansible import PlaybookError
from components.kubernetes import kubeconfig, runner
from components.kubernetes.inventory import ZONE, Node
from lab.toolchain.resolve import Toolchain
from tests.unit.kubernetes.example import CLUSTER
from tests.unit.kubernetes.machines import Machines, machines
from tests.unit.kubernetes.test_playbook import PLAYBOOKS, TOOLS

NAMESPACE = "/api/v1/namespaces/default"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
CONFIRMED = {"skip_confirmation": True}


@dataclass
class Site:
    """Guests, and the cluster that is made of some of them."""

    machines: Machines
    files: Path
    admin: str = ""

    def run(self, playbook: str, members: Sequence[Node], version: str = "1.35.4", **options: Any) -> str:
        cluster = replace(self.machines.cluster(), nodes=members, version=version)
        with runner.workspace(cluster, self.machines.private_key) as folder:
            recap = runner.run_playbook(playbook, PLAYBOOKS, folder, **options)
            artifact = folder / "inventory/artifacts/admin.conf"
            self.admin = artifact.read_text() if artifact.exists() else self.admin
        return recap

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API server as the administrator."""
        config = yaml.safe_load(self.admin)
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        pem = {
            "ca": server["certificate-authority-data"],
            "crt": user["client-certificate-data"],
            "key": user["client-key-data"],
        }
        for name, data in pem.items():
            (self.files / name).write_bytes(base64.b64decode(data))
        certificate = (str(self.files / "crt"), str(self.files / "key"))
        url = f"{server['server']}{path}"
        response = requests.request(method, url, json=body, verify=str(self.files / "ca"), cert=certificate, timeout=5)
        response.raise_for_status()
        return response.json()

    def nodes(self) -> set[str]:
        return set(self.zones())

    def zones(self) -> dict[str, str]:
        """Node -> the Proxmox node that it is labelled with."""
        found = [item["metadata"] for item in self.call("GET", "/api/v1/nodes")["items"]]
        return {node["name"]: node["labels"][ZONE] for node in found}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A control-plane node and a worker that are a cluster, and two machines that may become workers."""
    tools = [tool.path.parent for tool in Toolchain().ensure(TOOLS).values()]
    roles = ["control-plane", "worker", "worker", "worker"]
    with machines(tmp_path_factory.mktemp("guests"), roles, tools) as guests:
        site = Site(guests, tmp_path_factory.mktemp("admin"))
        site.run("cluster.yml", guests.nodes[:2])
        yield site


def test_new_workers_join_and_no_other_machine_is_touched(site: Site) -> None:
    *former, third, fourth = site.machines.nodes
    recap = site.run("scale.yml", site.machines.nodes, limit=[third.name, fourth.name])
    assert [line.split()[0] for line in recap.splitlines()] == ["scale.yml", third.name, fourth.name]
    assert site.zones() == {node.name: node.zone for node in (*former, third, fourth)}


@pytest.mark.parametrize("playbook", ["cluster.yml", "upgrade-cluster.yml"])
def test_a_machine_that_was_moved_is_labelled_anew(site: Site, playbook: str) -> None:
    first, *others = site.machines.nodes
    moved = f"before-{playbook}"
    site.run(playbook, [first, *(replace(node, zone=moved) for node in others)])
    assert site.zones() == {first.name: first.zone, **{node.name: moved for node in others}}


def test_the_cluster_tells_the_machine_of_each_node(site: Site, tmp_path: Path) -> None:
    root = site.machines.root
    identities = {name: (root(name) / "etc/machine-id").read_text().strip() for name in site.nodes()}
    found = kubeconfig.machines(site.admin, tmp_path)
    assert found == {name: str(UUID(identity)) for name, identity in identities.items()}


def test_another_version_is_no_business_of_cluster_yml(site: Site) -> None:
    with pytest.raises(PlaybookError, match=r"Kubernetes 1\.35\.4 runs here and cannot become 1\.36\.0"):
        site.run("cluster.yml", site.machines.nodes, version="1.36.0")


@pytest.mark.parametrize("version", ["1.34.7", "1.37.0"])
def test_an_upgrade_goes_up_by_one_minor_version(site: Site, version: str) -> None:
    with pytest.raises(PlaybookError, match=f"cannot become {version}"):
        site.run("upgrade-cluster.yml", site.machines.nodes, version=version)


def test_a_disruption_budget_holds_a_drain(site: Site) -> None:
    """The pod that it protects is named, and the node stays a member."""
    third = site.machines.nodes[2].name
    labels = {"app": "held"}
    pod = {
        "metadata": {"name": "held", "labels": labels},
        "spec": {
            "nodeName": third,
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "example.org/c:1"}],
        },
    }
    budget = {
        "metadata": {"name": "held"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }
    # The namespace's own account comes a moment after it.
    until(lambda: site.call("GET", f"{NAMESPACE}/serviceaccounts")["items"])
    site.call("POST", f"{NAMESPACE}/pods", pod)
    site.call("POST", BUDGETS, budget)
    until(lambda: site.call("GET", f"{BUDGETS}/held").get("status", {}).get("currentHealthy"))
    variables = {"node": third, **CONFIRMED, "drain_timeout": "1s"}
    with pytest.raises(PlaybookError, match=r"pods did not go in 1 s: default/held\. Cannot evict pod"):
        site.run("remove-node.yml", site.machines.nodes, variables=variables)
    assert third in site.nodes()
    site.call("DELETE", f"{BUDGETS}/held")


def test_a_node_that_goes_is_drained_reset_and_deleted(site: Site) -> None:
    third = site.machines.nodes[2]
    site.run("remove-node.yml", site.machines.nodes, variables={"node": third.name, **CONFIRMED})
    assert third.name not in site.nodes()
    assert site.call("GET", "/api/v1/pods")["items"] == []
    assert not (site.machines.root(third.name) / "etc/kubernetes").exists()


def test_a_removal_that_was_cut_short_is_run_again(site: Site) -> None:
    third = site.machines.nodes[2]
    recap = site.run("remove-node.yml", site.machines.nodes, variables={"node": third.name, **CONFIRMED})
    changed = {line.split()[0]: line.split()[2] for line in recap.splitlines()[1:]}
    assert changed[third.name] == "0"


def test_a_machine_that_is_gone_is_removed_without_being_reached(site: Site) -> None:
    first, second, _, fourth = site.machines.nodes
    site.machines.power_off(fourth.name)
    variables = {"node": fourth.name, **CONFIRMED, "reset_nodes": False, "allow_ungraceful_removal": True}
    site.run("remove-node.yml", [first, second, fourth], variables=variables)
    assert site.nodes() == {first.name, second.name}


def test_secrets_lie_encrypted_in_etcd(site: Site) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"word": "plain-to-see"}}
    site.call("POST", f"{NAMESPACE}/secrets", secret)
    assert site.call("GET", f"{NAMESPACE}/secrets/s")["data"] == {"word": base64.b64encode(b"plain-to-see").decode()}
    stored = [
        path.read_bytes()
        for path in (site.machines.root(site.machines.nodes[0].name) / "var/lib/etcd").rglob("*")
        if path.is_file()
    ]
    assert any(b"k8s:enc:secretbox:v1:" in content for content in stored)
    assert not any(b"plain-to-see" in content for content in stored)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-node": ({**CONFIRMED}, "no nodes to remove: the variable `node` must name them"),
    "first-control-plane-node": (
        {"node": "paris-workers-1,paris-masters-1", **CONFIRMED},
        "paris-masters-1 is the first control-plane node, which cannot be removed",
    ),
    "not-confirmed": ({"node": "paris-workers-1"}, "the removal was not confirmed"),
    "unknown-variable": ({"node": "paris-workers-1", **CONFIRMED, "force": True}, "does not model: force"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_no_removal_is_refused_before_any_machine_is_reached(rule: str) -> None:
    variables, said = REFUSED[rule]
    with runner.workspace(CLUSTER, "no key is needed") as folder, pytest.raises(PlaybookError) as error:
        runner.run_playbook("remove-node.yml", PLAYBOOKS, folder, variables=variables)
    assert said in str(error.value)
    assert "UNREACHABLE" not in str(error.value)
