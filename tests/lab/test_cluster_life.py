"""A cluster's years in some minutes: it grows, shrinks, fails, is killed and upgraded, on one small site.

The tests of this file share one lab and run in order: each one builds on the one before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lab.toolchain.tools import FORMER_KUBERNETES
from tests.lab.conftest import LabUnderTest, copy
from tests.lab.proxmox import ProxmoxSite
from tests.lab.waiting import wait_for

pytestmark = pytest.mark.timeout(1800)

SITE = "toulouse"
WORKERS = "toulouse-workers-"
REPLICAS = 8


def configure(clone: LabUnderTest, workers: int, version: str = FORMER_KUBERNETES) -> None:
    def change(values: dict[str, Any]) -> None:
        values.pop("services", None)
        values.pop("externalServices", None)
        values["kubernetes"]["version"] = version
        values["pools"][1]["count"] = workers

    clone.configure(SITE, change)


@pytest.fixture(scope="module")
def site(clone: LabUnderTest) -> LabUnderTest:
    """Three control-plane nodes and three workers, of a former version of Kubernetes, without services on them."""
    configure(clone, workers=3)
    return clone


def test_a_killed_first_run_is_run_again(site: LabUnderTest) -> None:
    kill_when(site, (guest(site, 3101) / "etc/kubernetes/manifests/kube-apiserver.yaml").exists)

    printed = site.run("up", SITE)

    assert "recovery" in printed
    assert versions(site) == dict.fromkeys([*masters(), *workers(3)], f"v{FORMER_KUBERNETES}")
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes(site)} == {"pve-tls-1"}
    assert nothing_to_do(site)
    site.kubectl(SITE, "create", "deployment", "web", "--image=example.org/web:1", f"--replicas={REPLICAS}")
    site.kubectl(SITE, "create", "secret", "generic", "kept", "--from-literal=word=kept")
    wait_for(lambda: len(pods(site)) == REPLICAS)


def test_new_workers_join_by_scale_yml_and_no_other_machine_is_touched(site: LabUnderTest) -> None:
    configure(site, workers=5)
    assert f"scale.yml: + {WORKERS}4, + {WORKERS}5" in site.run("preview", SITE)
    calls = Calls(site)

    site.run("up", SITE)

    assert versions(site) == dict.fromkeys([*masters(), *workers(5)], f"v{FORMER_KUBERNETES}")
    assert calls.machines() == {3204, 3205}
    assert recap(site) == {"scale.yml": set(workers(5)[3:])}
    assert nothing_to_do(site)


def test_a_failed_task_is_told_by_host_and_task_and_the_next_run_goes_on(site: LabUnderTest) -> None:
    configure(site, workers=4)
    with of_a_former_release(site, 3202):
        printed = site.run("up", SITE, code=1)

    (said,) = set(re.findall(r"toulouse-workers-2: .*Debian 12 was expected", printed))
    assert said.startswith("toulouse-workers-2: Stop if a machine is not Debian 12: toulouse-workers-2 runs Debian 11")
    assert "Traceback" not in printed.partition("error:")[0]
    # Nothing was removed: the VM goes after its node, or not at all.
    assert set(versions(site)) == {*masters(), *workers(5)}
    assert guest(site, 3205).exists()


def test_a_killed_removal_is_run_again_and_the_vm_goes_after_its_node(site: LabUnderTest) -> None:
    assert f"remove-node.yml: - {WORKERS}5" in site.run("preview", SITE)
    kill_when(site, lambda: being_drained(site, [f"{WORKERS}5"]))
    assert guest(site, 3205).exists()
    calls = Calls(site)

    printed = site.run("up", SITE)

    assert set(versions(site)) == {*masters(), *workers(4)}
    assert len(pods(site)) == REPLICAS
    assert f"{WORKERS}5" not in {pod["spec"]["nodeName"] for pod in pods(site)}
    assert calls.machines() == {3205}
    removed = re.search(r"KubesprayCluster kubernetes-kubespray updated", printed)
    deleted = re.search(r"VmLegacy workers-5 deleting", printed)
    assert removed
    assert deleted
    assert removed.start() < deleted.start()
    assert not guest(site, 3205).exists()
    assert nothing_to_do(site)


def test_a_node_whose_machine_is_gone_already_is_removed(site: LabUnderTest) -> None:
    delete_by_hand(site, 3204)
    configure(site, workers=3)
    site.run("refresh", SITE)
    assert f"remove-node.yml: - {WORKERS}4" in site.run("preview", SITE)

    site.run("up", SITE)

    assert set(versions(site)) == {*masters(), *workers(3)}
    assert nothing_to_do(site)


def test_a_growth_that_was_killed_and_is_taken_back_leaves_no_member_behind(site: LabUnderTest) -> None:
    configure(site, workers=4)
    kill_when(site, lambda: f"{WORKERS}4" in known_nodes(site))
    configure(site, workers=3)
    site.run("recover", SITE)
    assert f"remove-node.yml: - {WORKERS}4" in site.run("preview", SITE)

    printed = site.run("up", SITE)

    assert set(versions(site)) == {*masters(), *workers(3)}
    assert [*recap(site)] == ["remove-node.yml"]
    assert printed.index("KubesprayCluster kubernetes-kubespray updated") < printed.index("VmLegacy workers-4 deleting")
    assert nothing_to_do(site)


def test_a_machine_that_is_made_anew_joins_again(site: LabUnderTest) -> None:
    """Once, even when the engine is killed while it does."""
    name = f"{WORKERS}3"
    former = known_nodes(site)[name]
    delete_by_hand(site, 3203)
    site.run("refresh", SITE)
    assert f"remove-node.yml: - {name}; scale.yml: + {name}" in site.run("preview", SITE)
    calls = Calls(site)
    kill_when(site, lambda: known_nodes(site).get(name, former) != former)
    joined = known_nodes(site)

    site.run("up", SITE)

    assert calls.machines() == {3203}
    assert recap(site).keys() <= {"remove-node.yml", "scale.yml"}, "unless the engine had noted the first already"
    assert known_nodes(site) == joined
    assert set(joined) == {*masters(), *workers(3)}
    assert nothing_to_do(site)


def test_a_killed_upgrade_is_run_again_and_ends_with_every_node_upgraded(site: LabUnderTest) -> None:
    configure(site, workers=3, version="1.35.4")
    assert f"upgrade-cluster.yml: Kubernetes {FORMER_KUBERNETES} to 1.35.4" in site.run("preview", SITE)
    kill_when(site, lambda: being_drained(site, workers(3)))
    calls = Calls(site)
    configure(site, workers=3)
    taken_back = f"kubernetes.version was 1.35.4 in a run that has not succeeded, and cannot become {FORMER_KUBERNETES}"
    assert taken_back in " ".join(site.run("preview", SITE, code=1).split())
    configure(site, workers=3, version="1.35.4")

    site.run("up", SITE)

    assert versions(site) == dict.fromkeys([*masters(), *workers(3)], "v1.35.4")
    assert unschedulable(site) == set()
    assert calls.machines() == set()
    assert json.loads(site.kubectl(SITE, "version", "--output=json"))["serverVersion"]["gitVersion"] == "v1.35.4"
    assert site.kubectl(SITE, "get", "secret", "kept", "--output=jsonpath={.data.word}") == "a2VwdA=="
    wait_for(lambda: len(pods(site)) == REPLICAS)
    assert nothing_to_do(site)


def test_what_no_playbook_can_do_is_refused_before_anything_is_touched(site: LabUnderTest) -> None:
    def change(values: dict[str, Any]) -> None:
        values["kubernetes"]["version"] = FORMER_KUBERNETES
        values["kubernetes"]["podCidr"] = "10.200.0.0/18"
        values["pools"][0]["name"] = "others"

    site.configure(SITE, change)
    calls = Calls(site)
    printed = site.run("preview", SITE, code=1)
    for said in (
        f"kubernetes.version is 1.35.4 and cannot become {FORMER_KUBERNETES}",
        "kubernetes.podCidr is 10.233.64.0/18 and cannot become 10.200.0.0/18",
        "toulouse-masters-1 is gone from the pools, but is the cluster's first control-plane node",
    ):
        assert said in printed
    assert calls.machines() == set()

    def restore(values: dict[str, Any]) -> None:
        values["pools"][0]["name"] = "masters"
        values["kubernetes"].pop("podCidr")

    site.configure(SITE, restore)
    configure(site, workers=3, version="1.35.4")


def test_another_clone_sees_no_change_but_the_kubeconfig_file(site: LabUnderTest, tmp_path: Path) -> None:
    other = LabUnderTest(site.lab, copy(tmp_path / "elsewhere"))
    configure(other, workers=3, version="1.35.4")
    site.site(SITE).kubeconfig.unlink()
    changed = re.findall(r"^ [~+-]+ +(\S+:\S+) (\S+)", other.run("preview", SITE), re.MULTILINE)
    assert changed == [("pulumi-python:dynamic/kubernetes:KubeconfigFile", "kubernetes-kubeconfig")]


def test_a_changed_override_reaches_every_machine_and_a_run_that_failed_is_repeated(site: LabUnderTest) -> None:
    overrides = site.repository / "kubespray" / "group_vars" / "all.yml"
    overrides.write_text(overrides.read_text().replace("metrics_server_enabled: true", "metrics_server_enabled: false"))
    assert "kubernetes: cluster.yml: group_vars " in site.run("preview", SITE)
    with of_a_former_release(site, 3202):
        site.run("up", SITE, code=1)

    site.run("up", SITE)

    assert {*masters(), *workers(3)} <= recap(site)["cluster.yml"]
    assert nothing_to_do(site)


# ------------------------------------------------------------------- the site


def masters() -> list[str]:
    return [f"toulouse-masters-{number}" for number in (1, 2, 3)]


def workers(count: int) -> list[str]:
    return [f"{WORKERS}{number}" for number in range(1, count + 1)]


def guest(site: LabUnderTest, vm_id: int) -> Path:
    """The file system of a VM."""
    return site.site(SITE).home / "proxmox" / "guests" / str(vm_id) / "root"


@contextmanager
def of_a_former_release(site: LabUnderTest, vm_id: int) -> Iterator[None]:
    """A machine that no playbook takes."""
    release = guest(site, vm_id) / "etc/debian_version"
    content = release.read_text()
    release.write_text("11.11\n")
    try:
        yield
    finally:
        release.write_text(content)


def nothing_to_do(site: LabUnderTest) -> bool:
    result = site.shell(SITE, "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr
    return True


def nodes(site: LabUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.kubectl(SITE, "get", "nodes", "--output=json"))["items"]
    return found


def versions(site: LabUnderTest) -> dict[str, str]:
    """Node -> version of its kubelet."""
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes(site)}


def known_nodes(site: LabUnderTest) -> dict[str, str]:
    """Node -> UID of its object: another one once it has left and joined again."""
    return {node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes(site)}


def being_drained(site: LabUnderTest, names: list[str]) -> bool:
    try:
        return not unschedulable(site).isdisjoint(names)
    except AssertionError:  # The API server starts anew.
        return False


def unschedulable(site: LabUnderTest) -> set[str]:
    return {node["metadata"]["name"] for node in nodes(site) if node["spec"].get("unschedulable")}


def pods(site: LabUnderTest) -> list[dict[str, Any]]:
    """The deployment's pods that run."""
    found = json.loads(site.kubectl(SITE, "get", "pods", "--selector=app=web", "--output=json"))["items"]
    return [pod for pod in found if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]


def recap(site: LabUnderTest) -> dict[str, set[str]]:
    """Playbook -> hosts, as the cluster's output has them."""
    result = site.shell(SITE, "pulumi stack export")
    resources = json.loads(result.stdout)["deployment"]["resources"]
    (text,) = [each["outputs"]["recap"] for each in resources if each["type"].endswith("KubesprayCluster")]
    tables = [[line.split()[0] for line in table.splitlines()] for table in text.split("\n\n")]
    return {playbook: set(hosts) for playbook, *hosts in tables}


class Calls:
    """The calls to Proxmox VE that change something, from now on."""

    def __init__(self, site: LabUnderTest) -> None:
        self._proxmox = ProxmoxSite(site, SITE)
        self._from = self._proxmox.position()
        self._image = site.outputs(SITE)["image"]["vmId"]

    def machines(self) -> set[int]:
        """VMIDs that they name, but for the image that new VMs are cloned from."""
        text = "\n".join(self._proxmox.writes(self._from))
        return {int(vm_id) for vm_id in re.findall(r"/qemu/(\d+)", text)} - {self._image}


def delete_by_hand(site: LabUnderTest, vm_id: int) -> None:
    ProxmoxSite(site, SITE).delete_by_hand(vm_id)


def kill_when(site: LabUnderTest, condition: Callable[[], object]) -> None:
    """Start `up`, and kill the engine once it has come to that."""
    up = site.start("up", SITE)

    def there() -> bool:
        assert up.poll() is None, up.communicate()[0]
        with suppress(AssertionError):  # the API server may be away
            return bool(condition())
        return False

    wait_for(there, 600)
    site.kill_engine(SITE)
    printed, _ = up.communicate(timeout=300)
    assert up.returncode != 0, printed
