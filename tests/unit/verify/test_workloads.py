"""Deployments and StatefulSets of the platform, as the API server tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from settings.teams import SOCLE
from tests.unit.verify.test_cluster import Api
from tests.unit.verify.test_cluster import api as api
from tests.unit.verify.test_cluster import site as site
from verify import workloads
from verify.checks import CheckFailed, run_all
from verify.stack import Stack

Objects = dict[str, Any]
MADE = {"type": "Progressing", "status": "True", "message": "the ReplicaSet has progressed"}
REFUSED = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
CRASHED = {"name": "homepage", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
RUNNING = {"name": "proxy", "state": {"running": {}}}


def workload(name: str, wanted: int, there: int | None, *conditions: Objects) -> Objects:
    """A workload; `None`, as the API server writes it, for no replica."""
    status: Objects = {"conditions": list(conditions)}
    spec = {"replicas": wanted, "selector": {"matchLabels": {"app": name}}}
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": status if there is None else {**status, "availableReplicas": there},
    }


def pod(name: str, **status: Any) -> Objects:
    return {"metadata": {"name": f"{name}-1", "labels": {"app": name, "hash": "1"}}, "status": status}


def hold(api: Api, namespace: str, deployments: list[Objects], sets: list[Objects], *pods: Objects) -> None:
    api.objects |= {
        f"/apis/apps/v1/namespaces/{namespace}/deployments": deployments,
        f"/apis/apps/v1/namespaces/{namespace}/statefulsets": sets,
        f"/api/v1/namespaces/{namespace}/pods": list(pods),
    }


def test_all_of_them_are_there(api: Api, site: Callable[..., Stack]) -> None:
    for namespace in SOCLE:
        hold(api, namespace, [workload("server", 2, 2, MADE)], [workload("database", 1, 1)])
    results = run_all(workloads.namespaces(site()))
    assert [(each.target, each.passed, each.reason) for each in results] == [
        (namespace, True, "2 with all of their replicas") for namespace in SOCLE
    ]


@pytest.mark.parametrize(
    ("deployments", "sets", "pods", "reason"),
    [
        ([], [], [], "there is no Deployment and no StatefulSet"),
        ([workload("homepage", 0, None)], [], [], "Deployment homepage is scaled to 0"),
        (
            [workload("homepage", 1, None, MADE)],
            [],
            [pod("homepage", containerStatuses=[RUNNING, CRASHED]), pod("other", containerStatuses=[])],
            "Deployment homepage has 0 of 1 replicas (homepage: CrashLoopBackOff)",
        ),
        (
            [workload("homepage", 2, 1, MADE)],
            [],
            [
                pod("homepage", conditions=[{"type": "Ready", "status": "True"}]),
                pod("homepage", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/6 nodes"}]),
            ],
            "Deployment homepage has 1 of 2 replicas (0/6 nodes)",
        ),
        (
            [workload("homepage", 1, 0, MADE, REFUSED)],
            [],
            [],
            "Deployment homepage has 0 of 1 replicas (exceeded quota)",
        ),
        (
            [workload("homepage", 1, 1), workload("proxy", 1, 0)],
            [workload("database", 1, None)],
            [],
            "Deployment proxy has 0 of 1 replicas; StatefulSet database has 0 of 1 replicas",
        ),
    ],
)
def test_what_is_not_there(
    api: Api,
    site: Callable[..., Stack],
    deployments: list[Objects],
    sets: list[Objects],
    pods: list[Objects],
    reason: str,
) -> None:
    hold(api, "homepage", deployments, sets, *pods)
    with pytest.raises(CheckFailed) as failure:
        workloads.available(site(), "homepage")
    assert str(failure.value) == reason
