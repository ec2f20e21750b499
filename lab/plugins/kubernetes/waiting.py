"""Waits until an object is ready, or gone, and explains what went wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from lab.plugins.base import Call
from lab.plugins.kubernetes.api import Api, ApiError, NoSuchKind, Object, Served, Unreachable
from lab.plugins.kubernetes.objects import TIMEOUT_SECONDS, annotation, pluck
from lab.plugins.kubernetes.readiness import READY, judge_of

DEFAULT_SECONDS: Final = 600.0
_SHOWN_EVENTS: Final = 3


class NotReady(Exception):
    """The wait ended without success. `live` is the object as it was last seen."""

    def __init__(self, problem: str, live: Object, reasons: list[str]) -> None:
        super().__init__("\n".join([problem, *(f"  - {reason}" for reason in reasons)]))
        self.live = live


def seconds_allowed(item: Object, call: Call) -> float:
    """How long to wait: the resource's option, else its annotation, else ten minutes."""
    from_annotation = annotation(item, TIMEOUT_SECONDS)
    return call.timeout or float(from_annotation if from_annotation.isdigit() else DEFAULT_SECONDS)


def until_ready(api: Api, item: Object, seconds: float, call: Call) -> Object:
    """Follow an object until it is ready.

    Args:
        api: The server that it lives on.
        item: The object as the server accepted it.
        seconds: How long to wait at most.
        call: Its `cancelled` ends the wait early.

    Returns:
        The object as it was when it became ready.

    Raises:
        NotReady: when time ran out, the object failed or disappeared, or the engine gave up.
    """
    judge = judge_of(api, item)
    if judge is None:
        return item
    deadline = time.monotonic() + seconds
    name, live = item["metadata"]["name"], item
    told: tuple[str, ...] = ()
    for seen in _versions(api, item):
        if seen is None:
            raise NotReady(f"{name!r} was deleted while it was awaited", live, [])
        live = seen
        verdict = judge(live)
        if verdict.ready:
            return live
        problem = _end(name, verdict.hopeless, call, deadline, f"timed out waiting to be Ready ({seconds:g} s)")
        if problem:
            raise NotReady(problem, live, [*verdict.reasons, *_pod_problems(api, live), *_warnings(api, live)])
        if verdict.reasons != told:
            told = verdict.reasons
            call.log(f"waiting: {'; '.join(told)}")
    raise AssertionError("an object's versions never end")


def unready(api: Api, item: Object) -> str:
    """What keeps an object from being ready just now; empty when nothing does."""
    judge = judge_of(api, item, settle_seconds=0.0)
    verdict = judge(item) if judge else READY
    if verdict.ready:
        return ""
    problem = f"{item['metadata']['name']!r} exists, but is not ready"
    return str(NotReady(problem, item, [*verdict.reasons, *_pod_problems(api, item), *_warnings(api, item)]))


def until_gone(api: Api, item: Object, seconds: float, call: Call) -> None:
    """Follow an object until it has disappeared, or another one has taken its name.

    Raises:
        NotReady: when time ran out (with the finalizers that hold it), or the engine gave up.
    """
    deadline = time.monotonic() + seconds
    name, uid = item["metadata"]["name"], item["metadata"]["uid"]
    for live in _versions(api, item):
        if live is None or live["metadata"]["uid"] != uid:
            return
        held = [f"held by the finalizer {finalizer}" for finalizer in live["metadata"].get("finalizers") or []]
        problem = _end(name, False, call, deadline, f"timed out waiting to be deleted ({seconds:g} s)")
        if problem:
            raise NotReady(problem, live, held)


def _end(name: str, failed: bool, call: Call, deadline: float, too_late: str) -> str:
    """Why a wait ends now; empty when it goes on."""
    if failed:
        return f"{name!r} failed"
    if call.cancelled.is_set():
        return f"{name!r}: the wait was cancelled"
    return f"{name!r} {too_late}" if time.monotonic() >= deadline else ""


def _versions(api: Api, item: Object) -> Iterator[Object | None]:
    """Every version of an object, and the last one again about once a second. None: it is gone."""
    served = api.served(item["apiVersion"], item["kind"])
    namespace, name = item["metadata"].get("namespace") or "", item["metadata"]["name"]
    while True:
        live = _read(api, served, namespace, name)
        yield live
        if live is None:
            continue
        for event in api.watch(served, namespace, name, live["metadata"]["resourceVersion"]):
            if event is not None:
                live = None if event["type"] == "DELETED" else event["object"]
            yield live
            if live is None:
                break


def _read(api: Api, served: Served, namespace: str, name: str) -> Object | None:
    try:
        return api.get(served.path(namespace, name))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _pod_problems(api: Api, item: Object) -> list[str]:
    """What keeps the Pods that an object selects from being ready."""
    labels = pluck(item, "spec", "selector", "matchLabels")
    if item["kind"] != "Pod" and not labels:
        return []
    return [problem for pod in _pods(api, item, labels) for problem in _container_problems(pod)]


def _pods(api: Api, item: Object, labels: dict[str, str] | None) -> list[Object]:
    if item["kind"] == "Pod":
        return [item]
    selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
    try:
        pods = api.served("v1", "Pod")
        found: list[Object] = api.get(pods.path(item["metadata"]["namespace"]), labelSelector=selector)["items"]
    except (ApiError, NoSuchKind, Unreachable):
        return []
    return found


def _container_problems(pod: Object) -> Iterator[str]:
    name = pod["metadata"]["name"]
    for entry in pluck(pod, "status", "conditions") or []:
        if entry.get("status") == "False" and entry.get("message"):
            yield f"[Pod {name}] {entry['message']}"
    for container in pluck(pod, "status", "containerStatuses") or []:
        waiting = pluck(container, "state", "waiting") or {}
        if waiting.get("reason") not in {None, "ContainerCreating"}:
            yield f"[Pod {name}] [{waiting['reason']}] {waiting.get('message', '')}".rstrip()
        ended = pluck(container, "state", "terminated") or pluck(container, "lastState", "terminated")
        if ended and ended.get("exitCode"):
            yield f"[Pod {name}] container {container['name']!r} ended with exit code {ended['exitCode']}"


def _warnings(api: Api, item: Object) -> list[str]:
    """The last warnings among the object's events."""
    metadata = item["metadata"]
    try:
        events = api.get(
            api.served("v1", "Event").path(metadata.get("namespace") or "default"),
            fieldSelector=f"involvedObject.uid={metadata['uid']},type=Warning",
        )["items"]
    except (ApiError, NoSuchKind, Unreachable):
        return []
    return [f"[{event.get('reason')}] {event.get('message')}" for event in events[-_SHOWN_EVENTS:]]
