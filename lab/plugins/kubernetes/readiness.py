"""When an object counts as ready, kind by kind, as pulumi-kubernetes judges it.

A judge looks at one version of the object, asks the server for what the object does not say itself,
and gives a `Verdict`. Kinds without a judge are ready as soon as the server has accepted them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lab.plugins.kubernetes.api import Api, ApiError, Object
from lab.plugins.kubernetes.objects import pluck

_REVISION: Final = "deployment.kubernetes.io/revision"

SETTLE_SECONDS: Final = 1.0
"""The official plugin gives stragglers among the endpoints 10 s; here the controllers are on the same
machine as the API server."""


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready; if not, what is missing."""

    ready: bool
    reasons: tuple[str, ...] = ()
    hopeless: bool = False
    """It failed for good: waiting longer does not help."""


READY: Final = Verdict(True)

Judge = Callable[[Object], Verdict]


def judge_of(api: Api, item: Object, settle_seconds: float = SETTLE_SECONDS) -> Judge | None:
    """The judge for an object's kind, or None when there is nothing to wait for.

    Args:
        api: The server that the object lives on.
        item: The object.
        settle_seconds: How long a service's endpoints must stay as they are.
    """
    if (item["apiVersion"], item["kind"]) == ("v1", "Service"):
        return _service(api, settle_seconds)
    make = _JUDGES.get((item["apiVersion"], item["kind"]))
    return make(api) if make else None


def condition(item: Object, type: str) -> Mapping[str, str]:
    """A status condition; empty when the object has none of this type."""
    found = [entry for entry in pluck(item, "status", "conditions") or [] if entry.get("type") == type]
    return found[0] if found else {}


def _verdict(problems: Iterator[str]) -> Verdict:
    reasons = tuple(problems)
    return Verdict(not reasons, reasons)


def _deployment(api: Api) -> Judge:
    return lambda live: _verdict(_deployment_problems(api, live))


def _deployment_problems(api: Api, live: Object) -> Iterator[str]:
    revision = pluck(live, "metadata", "annotations", _REVISION)
    if pluck(live, "status", "observedGeneration") != live["metadata"]["generation"] or not revision:
        yield "the Deployment controller has not acted on it yet"
        return
    available, progressing = (condition(live, "Available"), condition(live, "Progressing"))
    for entry in (available, progressing):
        if entry.get("status") == "False":
            yield f"[{entry.get('reason')}] {entry.get('message')}"
    if revision != "1" and progressing.get("reason") != "NewReplicaSetAvailable":
        yield "the new ReplicaSet is not available yet"
    current = _replica_set(api, live, revision)
    wanted = pluck(current, "spec", "replicas")
    ready = pluck(current, "status", "readyReplicas") or 0
    if wanted is None or ready < wanted or available.get("status") != "True":
        yield f"{ready} of {wanted} Pods are ready"


def _replica_set(api: Api, deployment: Object, revision: str) -> Object:
    sets = api.get(api.served("apps/v1", "ReplicaSet").path(deployment["metadata"]["namespace"]))["items"]
    owned = (item for item in sets if _owned(item, deployment))
    return next((item for item in owned if pluck(item, "metadata", "annotations", _REVISION) == revision), {})


def _owned(item: Object, owner: Object) -> bool:
    references = item["metadata"].get("ownerReferences") or []
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _stateful_set(live: Object) -> Iterator[str]:
    status = live.get("status") or {}
    if (status.get("observedGeneration") or 0) < live["metadata"]["generation"]:
        yield "the StatefulSet controller has not acted on it yet"
        return
    wanted = pluck(live, "spec", "replicas")
    counted = {"replicas", "readyReplicas"}
    if live["metadata"]["generation"] == 1 or pluck(live, "spec", "updateStrategy", "type") != "OnDelete":
        counted.add("currentReplicas")
        if status.get("currentRevision") != status.get("updateRevision"):
            yield f"the rollout from {status.get('currentRevision')} to {status.get('updateRevision')} is not complete"
    if any((status.get(name) or 0) != wanted for name in counted):
        yield f"{status.get('readyReplicas') or 0} of {wanted} Pods are ready"


def _daemon_set(live: Object) -> Iterator[str]:
    status = live.get("status") or {}
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        yield "the DaemonSet controller has not acted on it yet"
        return
    wanted = status.get("desiredNumberScheduled", 0)
    counted = {
        "currentNumberScheduled": "scheduled",
        "updatedNumberScheduled": "updated",
        "numberAvailable": "available",
        "numberReady": "ready",
    }
    for name, word in counted.items():
        if (status.get(name) or 0) < wanted:
            yield f"{status.get(name) or 0} of {wanted} Pods are {word}"


def _job(live: Object) -> Verdict:
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        return Verdict(False, (f"[{failed.get('reason')}] {failed.get('message')}",), hopeless=True)
    if condition(live, "Complete").get("status") == "True":
        return READY
    return Verdict(False, (f"{pluck(live, 'status', 'succeeded') or 0} Pods succeeded so far",))


def _pod(live: Object) -> Iterator[str]:
    if pluck(live, "status", "phase") == "Succeeded":
        return
    for type in ("PodScheduled", "Initialized", "Ready"):
        entry = condition(live, type)
        if entry.get("status") != "True":
            yield f"{type} is not true" + (f": {entry['message']}" if entry.get("message") else "")


def _service(api: Api, settle_seconds: float) -> Judge:
    seen: dict[str, float] = {}  # version of the Endpoints -> when it was first seen

    def judge(live: Object) -> Verdict:
        spec, metadata = live["spec"], live["metadata"]
        if spec.get("type") == "LoadBalancer" and not pluck(live, "status", "loadBalancer", "ingress"):
            return Verdict(False, ("no address was allocated to the LoadBalancer",))
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
            return READY
        endpoints = _find(api, "v1", "Endpoints", metadata["namespace"], metadata["name"])
        if endpoints is None:
            return Verdict(False, ("it has no Endpoints yet",))
        since = seen.setdefault(endpoints["metadata"]["resourceVersion"], time.monotonic())
        if any(subset.get("notReadyAddresses") for subset in endpoints.get("subsets") or []):
            return Verdict(False, ("selected Pods are not ready",))
        return Verdict(time.monotonic() - since >= settle_seconds, ("its Endpoints are still changing",))

    return judge


def _ingress(live: Object) -> Iterator[str]:
    if not pluck(live, "status", "loadBalancer", "ingress"):
        yield "the ingress controller has not set .status.loadBalancer to an address or a host name"


def _claim(api: Api) -> Judge:
    return lambda live: _verdict(_claim_problems(api, live))


def _claim_problems(api: Api, live: Object) -> Iterator[str]:
    phase = pluck(live, "status", "phase")
    if phase == "Bound":
        return
    storage_class = _find(api, "storage.k8s.io/v1", "StorageClass", "", pluck(live, "spec", "storageClassName") or "")
    # Such a claim is bound when its first Pod is scheduled, and that Pod may well depend on it.
    if pluck(storage_class, "volumeBindingMode") != "WaitForFirstConsumer":
        yield f"the claim is {phase}"


def _volume(live: Object) -> Iterator[str]:
    if pluck(live, "status", "phase") not in {"Available", "Bound"}:
        yield f"the volume is {pluck(live, 'status', 'phase')}"


def _quota(live: Object) -> Iterator[str]:
    if pluck(live, "status", "hard") != pluck(live, "spec", "hard"):
        yield "the quota controller has not acted on it yet"


def _secret(live: Object) -> Iterator[str]:
    if live.get("type") == "kubernetes.io/service-account-token" and not live.get("data"):
        yield "the token controller has not filled it in yet"


def _replication_controller(live: Object) -> Iterator[str]:
    wanted, available = (pluck(live, "spec", "replicas"), pluck(live, "status", "availableReplicas") or 0)
    if wanted != available:
        yield f"{available} of {wanted} Pods are available"


def _find(api: Api, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
    if not name:
        return None
    try:
        return api.get(api.served(api_version, kind).path(namespace, name))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _by_itself(problems: Callable[[Object], Iterator[str]]) -> Callable[[Api], Judge]:
    """A judge that needs nothing but the object."""
    return lambda api: lambda live: _verdict(problems(live))


_JUDGES: Final[Mapping[tuple[str, str], Callable[[Api], Judge]]] = {
    ("apps/v1", "DaemonSet"): _by_itself(_daemon_set),
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _by_itself(_stateful_set),
    ("batch/v1", "Job"): lambda api: _job,
    ("networking.k8s.io/v1", "Ingress"): _by_itself(_ingress),
    ("v1", "PersistentVolume"): _by_itself(_volume),
    ("v1", "PersistentVolumeClaim"): _claim,
    ("v1", "Pod"): _by_itself(_pod),
    ("v1", "ReplicationController"): _by_itself(_replication_controller),
    ("v1", "ResourceQuota"): _by_itself(_quota),
    ("v1", "Secret"): _by_itself(_secret),
}
