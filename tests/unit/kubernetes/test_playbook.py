"""The lab's playbook, run by real Ansible: over real SSH into guests, and against inventories it must refuse."""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from components.ansible import PlaybookError
from components.kubernetes import kubeconfig, runner
from components.kubernetes.inventory import REGISTRIES, ZONE, Cluster
from lab.layout import REPOSITORY
from lab.toolchain.resolve import Toolchain
from tests.unit.kubernetes.example import CLUSTER
from tests.unit.kubernetes.machines import Machines, machines

PLAYBOOKS = REPOSITORY / "lab" / "kubespray"
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A control-plane node and two workers."""
    tools = [tool.path.parent for tool in Toolchain().ensure(TOOLS).values()]
    with machines(tmp_path_factory.mktemp("guests"), ["control-plane", "worker", "worker"], tools) as site:
        yield site


def run(site: Machines) -> str:
    with runner.workspace(site.cluster(), site.private_key) as folder:
        runner.run_playbook("cluster.yml", PLAYBOOKS, folder)
        text = (folder / "inventory/artifacts/admin.conf").read_text()
        kubeconfig.wait_ready(text, folder)
    return text


@pytest.fixture(scope="module")
def admin(site: Machines) -> str:
    return run(site)


def get(site: Machines, admin: str, path: str, folder: Path) -> Any:
    """What the API server answers to the administrator."""
    kubeconfig.wait_ready(admin, folder)
    files = {name: str(folder / f"administrator-{name}.pem") for name in ("ca", "certificate", "key")}
    url = f"https://{site.cluster().api_server}:6443{path}"
    response = requests.get(url, verify=files["ca"], cert=(files["certificate"], files["key"]), timeout=5)
    response.raise_for_status()
    return response.json()


def test_every_machine_is_a_ready_node(site: Machines, admin: str, tmp_path: Path) -> None:
    nodes = {item["metadata"]["name"]: item for item in get(site, admin, "/api/v1/nodes", tmp_path)["items"]}
    for node in site.nodes:
        status = nodes[node.name]["status"]
        assert {"type": "InternalIP", "address": node.address} in status["addresses"]
        assert {"Ready": "True"}.items() <= {each["type"]: each["status"] for each in status["conditions"]}.items()
        assert status["nodeInfo"]["kubeletVersion"] == "v1.35.4"
        labels = nodes[node.name]["metadata"]["labels"]
        assert ("node-role.kubernetes.io/control-plane" in labels) == (node.role == "control-plane")
        assert labels[ZONE] == node.zone


def test_the_control_plane_takes_no_pods(site: Machines, admin: str, tmp_path: Path) -> None:
    node = get(site, admin, f"/api/v1/nodes/{site.nodes[0].name}", tmp_path)
    taints = {(taint["key"], taint["effect"]) for taint in node["spec"]["taints"]}
    assert ("node-role.kubernetes.io/control-plane", "NoSchedule") in taints


def test_every_image_comes_from_the_mirror(site: Machines, admin: str) -> None:
    for node in site.nodes:
        folder = site.root(node.name) / "etc/containerd"
        runtime = tomllib.loads((folder / "config.toml").read_text())
        assert runtime["plugins"]["io.containerd.cri.v1.images"]["registry"]["config_path"] == "/etc/containerd/certs.d"
        found = {path.parent.name: tomllib.loads(path.read_text()) for path in folder.glob("certs.d/*/hosts.toml")}
        assert found == {
            registry: {
                "server": f"https://{host}",
                "host": {
                    f"https://registry.example:5000/v2/{registry}": {
                        "capabilities": ["pull", "resolve"],
                        "override_path": True,
                    }
                },
            }
            for registry, host in REGISTRIES.items()
        }


def test_a_second_run_changes_nothing_on_any_machine(
    site: Machines, admin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "log"))
    assert run(site) == admin
    changed = re.findall(r"changed: \[([^]]+)\]", (tmp_path / "log").read_text())
    # The kubeconfig goes into a new folder of the machine that runs Ansible each time.
    assert set(changed) == {f"{site.nodes[0].name} -> localhost"}


def test_the_certificate_authority_stays_on_the_control_plane(site: Machines, admin: str) -> None:
    holders = [node.name for node in site.nodes if (site.root(node.name) / "etc/kubernetes/ssl/ca.key").exists()]
    assert holders == [site.nodes[0].name]


def identify(site: Machines, cluster: Cluster, lost: Sequence[str] = ()) -> None:
    with runner.workspace(cluster, site.private_key) as folder:
        runner.check_identities(PLAYBOOKS, folder, lost)


def test_a_machine_with_the_address_of_another_is_named(site: Machines, admin: str) -> None:
    first, *others = site.cluster().nodes
    one, other = others
    swapped = [first, replace(one, address=other.address), replace(other, address=one.address)]
    identify(site, site.cluster())
    with pytest.raises(PlaybookError) as error:
        identify(site, replace(site.cluster(), nodes=swapped))
    for name, address, there in ((one.name, other.address, other.name), (other.name, one.address, one.name)):
        assert f"{name}: Stop if it is another machine: {address} is {there}, and {name} was expected" in str(
            error.value
        )
    # What is lost is not reached: another machine may have its address by now.
    identify(site, replace(site.cluster(), nodes=swapped), [one.name, other.name])


def test_a_machine_that_is_off_is_named(site: Machines, admin: str) -> None:
    off = site.nodes[2]
    site.power_off(off.name)
    said = f"{off.name}: Stop if no machine answers: {off.address} does not answer, .* run `pulumi refresh` and then"
    with pytest.raises(PlaybookError, match=said) as error:
        identify(site, site.cluster())
    assert f"{site.nodes[1].name}:" not in str(error.value)
    identify(site, site.cluster(), [off.name])
    with pytest.raises(PlaybookError, match=f"{site.nodes[2].name}: Gather minimal facts: .*Connection refused"):
        run(site)


REFUSED: dict[str, tuple[Change, str]] = {
    "unknown-variable": (lambda all_: all_["vars"].update(metallb_enabled=True), "does not model: metallb_enabled"),
    "missing-variable": (lambda all_: all_["vars"].pop("kube_pods_subnet"), "variables missing: kube_pods_subnet"),
    "missing-address": (lambda all_: all_["hosts"]["paris-store-1"].pop("ip"), "variables missing: ip"),
    "unknown-group": (
        lambda all_: all_["children"].update(calico_rr={"hosts": {"paris-store-1": {}}}),
        "and no other group",
    ),
    "no-control-plane": (lambda all_: all_["children"].pop("kube_control_plane"), "kube_control_plane"),
    "even-etcd": (lambda all_: all_["children"]["etcd"]["hosts"].popitem(), "an odd etcd"),
    "host-in-no-group": (lambda all_: all_["children"]["kube_node"]["hosts"].popitem(), "every host in one of them"),
    "etcd-elsewhere": (
        lambda all_: all_["children"]["etcd"].update(hosts={"paris-store-1": {}}),
        "on the control plane only",
    ),
    "two-addresses": (
        lambda all_: all_["vars"].update(kube_vip_address="10.75.10.11"),
        "load balancer must be that address",
    ),
    "address-of-a-machine": (
        lambda all_: all_["hosts"]["paris-store-1"].update(ip="10.75.10.10"),
        "no machine may have it",
    ),
    "version-with-v": (lambda all_: all_["vars"].update(kube_version="v1.35.4"), "a version without v"),
    "overlapping-networks": (
        lambda all_: all_["vars"].update(kube_service_addresses="10.233.64.0/20"),
        "10.233.64.0/20 overlap",
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_not_in_the_contract_is_refused_before_any_machine_is_reached(rule: str) -> None:
    change, said = REFUSED[rule]
    with runner.workspace(CLUSTER, "no key is needed") as folder:
        hosts = folder / "inventory" / "hosts.yaml"
        inventory = yaml.safe_load(hosts.read_text())
        change(inventory["all"])
        hosts.write_text(yaml.safe_dump(inventory))
        with pytest.raises(PlaybookError, match=re.escape(said)) as error:
            runner.run_playbook("cluster.yml", PLAYBOOKS, folder)
    assert "UNREACHABLE" not in str(error.value)
