"""In which order playbooks run, on which inventory, with which variables."""

from collections.abc import Iterator
from typing import Any

import pytest

from components.kubernetes import plan, provider
from components.kubernetes.plan import Run
from tests.unit.kubernetes.test_changes import MASTER, MASTERS, W2, W3, WORKER, cluster, node, release


def summary(run: Run) -> tuple[str, str, list[str]]:
    """Playbook, Kubernetes version, and the inventory's hosts in their order."""
    return run.playbook, run.cluster.version, [node.name for node in run.cluster.nodes]


def test_new_nodes_come_before_old_ones_go_and_the_upgrade_is_last() -> None:
    olds = {**release(commit="0" * 40), "nodes": [MASTER, WORKER, W2], "version": "1.34.7"}
    runs = list(plan.runs(olds, cluster(nodes=[MASTER, WORKER, W3])))
    assert [summary(run) for run in runs] == [
        ("scale.yml", "1.34.7", ["m-1", "w-1", "w-2", "w-3"]),
        ("remove-node.yml", "1.34.7", ["m-1", "w-1", "w-2", "w-3"]),
        ("upgrade-cluster.yml", "1.35.4", ["m-1", "w-1", "w-3"]),
    ]
    # Members change by the Kubespray that has made the cluster.
    assert [run.release["commit"] for run in runs] == ["0" * 40, "0" * 40, "1" * 40]
    assert [run.limit for run in runs] == [["w-3"], (), ()]
    assert runs[1].variables == {"node": "w-2", "skip_confirmation": True}


def test_a_lost_machine_goes_first_and_is_not_reached() -> None:
    olds = cluster(nodes=[MASTER, WORKER, W2, W3])
    runs = list(plan.runs(olds, cluster(nodes=[MASTER, WORKER, node("w-4", "10.0.0.5")]), lost={"w-2"}))
    assert [summary(run) for run in runs] == [
        ("remove-node.yml", "1.35.4", ["m-1", "w-1", "w-2", "w-3"]),
        ("scale.yml", "1.35.4", ["m-1", "w-1", "w-3", "w-4"]),
        ("remove-node.yml", "1.35.4", ["m-1", "w-1", "w-3", "w-4"]),
    ]
    lost = {"reset_nodes": False, "allow_ungraceful_removal": True, "drain_timeout": "60s"}
    assert runs[0].variables == {"node": "w-2", "skip_confirmation": True, **lost}
    assert runs[2].variables == {"node": "w-3", "skip_confirmation": True}
    assert [list(run.lost) for run in runs] == [["w-2"], [], []]


def test_the_voter_that_goes_after_a_lost_one_may_leave_an_even_number() -> None:
    m4, m5 = node("m-4", "10.0.0.14", "control-plane"), node("m-5", "10.0.0.15", "control-plane")
    runs = list(plan.runs(cluster(nodes=[*MASTERS, m4, m5, WORKER]), cluster(nodes=[*MASTERS, WORKER]), lost={"m-5"}))
    assert [(run.variables.get("node"), run.variables.get("ignore_assert_errors")) for run in runs] == [
        ("m-5", None),
        ("m-4", True),
        (None, None),
    ]


def test_new_control_plane_nodes_are_behind_the_first_and_every_api_server_learns_of_them() -> None:
    (run,) = plan.runs(cluster(), cluster(nodes=[*MASTERS, WORKER]))
    assert summary(run) == ("cluster.yml", "1.35.4", ["m-1", "w-1", "m-2", "m-3"])
    assert run.variables == {"upgrade_cluster_setup": True, "etcd_retries": 10}


def test_after_control_plane_nodes_have_left_the_others_learn_of_it() -> None:
    remove, tell = plan.runs(cluster(nodes=[*MASTERS, WORKER]), cluster())
    assert remove.variables["node"] == "m-2,m-3"
    assert summary(tell) == ("cluster.yml", "1.35.4", ["m-1", "w-1"])
    assert tell.variables == {"upgrade_cluster_setup": True}


def test_machines_are_reached_as_the_settings_say_now() -> None:
    (run,) = plan.runs(cluster(nodes=[MASTER, WORKER, W2]), cluster(user="debian", sshPort=2222.0))
    assert (run.cluster.user, run.cluster.ssh_port) == ("debian", 2222)


@pytest.mark.parametrize(
    ("accepting", "nodes", "lost"),
    [
        ({"10.0.0.3", "10.0.0.4"}, [MASTER, WORKER], set()),
        ({"10.0.0.4"}, [MASTER, WORKER], {"w-2"}),
        # Another machine has the address now: it must not be reset.
        ({"10.0.0.3", "10.0.0.4"}, [MASTER, WORKER, node("w-9", "10.0.0.3")], {"w-2"}),
    ],
)
def test_a_machine_is_lost_if_nothing_or_another_one_answers(
    accepting: set[str], nodes: list[dict[str, Any]], lost: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def record(_olds: object, _news: object, lost: set[str], _joined: object, _renewal: str) -> Iterator[Run]:
        seen.append(lost)
        return iter(())

    monkeypatch.setattr(provider, "_accepts", lambda address, port: address in accepting)
    monkeypatch.setattr(plan, "runs", record)
    olds = {**cluster(nodes=[MASTER, WORKER, W2, W3]), "kubeconfig": "kept"}
    provider.KubesprayClusterProvider().update("paris", olds, {**cluster(nodes=nodes), "playbook": ""})
    assert seen == [lost]
