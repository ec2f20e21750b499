"""What runs on the cluster for the platform: all of it is there, whether somebody has to sign in to see it or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from settings.teams import SOCLE
from verify.checks import Check, CheckFailed
from verify.cluster import Cluster, Object
from verify.stack import Stack

KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
"""Kind -> the name of its collection."""


def namespaces(stack: Stack) -> list[Check]:
    """A check for each namespace of the platform."""
    return [Check("workloads", namespace, partial(available, stack, namespace)) for namespace in SOCLE]


def available(stack: Stack, namespace: str) -> str:
    """Every Deployment and StatefulSet has all of its replicas, and at least one.

    Raises:
        CheckFailed: with every one that has not, and what keeps its pods.
    """
    cluster = Cluster.of(stack)
    found = [
        (kind, item)
        for kind, collection in KINDS.items()
        for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{collection}")
    ]
    if not found:
        raise CheckFailed("there is no Deployment and no StatefulSet")
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
    problems = [problem for kind, item in found for problem in _problems(kind, item, pods)]
    if problems:
        raise CheckFailed("; ".join(problems))
    return f"{len(found)} with all of their replicas"


def _problems(kind: str, workload: Object, pods: Sequence[Object]) -> Iterator[str]:
    wanted = workload["spec"]["replicas"]
    there = workload.get("status", {}).get("availableReplicas", 0)
    name = f"{kind} {workload['metadata']['name']}"
    if wanted == 0:
        yield f"{name} is scaled to 0"
    elif there < wanted:
        labels = workload["spec"]["selector"]["matchLabels"].items()
        own = [pod for pod in pods if labels <= pod["metadata"].get("labels", {}).items()]
        reasons = dict.fromkeys(reason for each in own or [workload] for reason in _reasons(each))
        yield f"{name} has {there} of {wanted} replicas" + (f" ({', '.join(reasons)})" if reasons else "")


def _reasons(item: Object) -> Iterator[str]:
    """Why a pod is not ready, or why a workload has none."""
    status = item.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            yield f"{container['name']}: {waiting['reason']}"
    for condition in status.get("conditions", []):
        wrong = "True" if condition["type"] == "ReplicaFailure" else "False"
        if condition["status"] == wrong and condition.get("message"):
            yield condition["message"]
