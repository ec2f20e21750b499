"""What every container of the platform keeps to, and the few that need not. Pure functions: no Pulumi, no cluster.

The rules are those of Kubernetes' restricted Pod Security level, and what an operator expects beside: an image that
stays what it is, room that is asked for, and an end to the memory.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

_PINNED: Final = re.compile(r"[^@]+:(?!latest$)[\w][\w.-]*|.+@sha256:[0-9a-f]{64}")
_NODES_OWN: Final = ("hostNetwork", "hostPID", "hostIPC")


@dataclass(frozen=True)
class Problem:
    """A rule that a container breaks."""

    rule: str
    container: str
    """Its name; empty for the pod as a whole."""
    text: str
    """What is wrong, and what was expected."""

    def __str__(self) -> str:
        return f"{self.container}: {self.text}" if self.container else self.text


@dataclass(frozen=True)
class Exemption:
    """Rules that a container may break, and why."""

    namespace: str
    workload: str
    container: str
    """Both as regular expressions of the whole name; a container's is empty for rules of the pod."""
    rules: frozenset[str]
    reason: str

    def covers(self, namespace: str, workload: str, problem: Problem) -> bool:
        return (
            problem.rule in self.rules
            and namespace == self.namespace
            and re.fullmatch(self.workload, workload) is not None
            and re.fullmatch(self.container, problem.container) is not None
        )


_ROOT: Final = frozenset({"root", "escalation", "capabilities", "seccomp"})

EXEMPTIONS: Final = (
    Exemption(
        "metallb-system",
        "metallb-speaker",
        "speaker|",
        frozenset({"host", "capabilities", "root"}),
        "it answers ARP on the node's own network, over raw sockets",
    ),
    Exemption(
        "longhorn-system",
        "longhorn-manager|longhorn-pre-upgrade",
        "longhorn-manager|longhorn-pre-upgrade|",
        _ROOT | {"host", "privileged"},
        "it mounts and formats the node's disks",
    ),
    Exemption(
        "longhorn-system",
        "longhorn-.*",
        "(?!longhorn-manager$).+",
        _ROOT | {"requests", "memory-limit"},
        "the chart has no values for these",
    ),
    Exemption(
        "kube-system",
        "etcd-snapshots",
        "etcdctl|",
        frozenset({"host", "root", "capabilities"}),
        "it asks the node's own etcd, with the node's own certificates, and writes as root by NFS",
    ),
)
"""Whoever needs another: name the container and the reason here, not a namespace."""


def problems(pod: Json) -> list[Problem]:
    """What is wrong with a pod.

    Args:
        pod: `spec` of a Pod, or of a template of Pods, as the API has it.
    """
    containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    found = [*_of_pod(pod)]
    for container in containers:
        found += _of_container(container, pod.get("securityContext") or {})
    return found


def problems_of(item: Json, namespace: str = "") -> list[Problem]:
    """What is wrong with the pods that an object makes, but for `EXEMPTIONS`.

    Args:
        item: Any object as the API has it. One that makes no pods has no problems.
        namespace: Its namespace, where it does not say so itself (the output of `helm template`).
    """
    pod, metadata = pod_of(item), item["metadata"]
    place = metadata.get("namespace") or namespace
    found = problems(pod) if pod is not None else []
    return [each for each in found if not any(one.covers(place, metadata["name"], each) for one in EXEMPTIONS)]


def pod_of(item: Json) -> Json | None:
    """`spec` of the pods that an object makes, or of the Pod that it is; None for any other kind."""
    spec: Json = item.get("spec") or {}
    if item["kind"] == "Pod":
        return spec
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Json | None = spec.get("template")
    # Of other kinds, `template` may be anything.
    return template["spec"] if template and "containers" in template.get("spec", {}) else None


def _of_pod(pod: Json) -> Iterator[Problem]:
    for key in _NODES_OWN:
        if pod.get(key):
            yield Problem("host", "", f"{key} is true: a pod has its own")
    for volume in pod.get("volumes") or []:
        if "hostPath" in volume:
            yield Problem("host", "", f"volume {volume['name']} is a path of the node")


def _of_container(container: Json, of_pod: Json) -> Iterator[Problem]:
    name, image = str(container["name"]), str(container.get("image", ""))
    if not _PINNED.fullmatch(image.rpartition("/")[2]):
        yield Problem("image", name, f"image {image} must have a tag other than latest, or a digest")
    resources = container.get("resources") or {}
    for key in ("cpu", "memory"):
        if key not in (resources.get("requests") or {}):
            yield Problem("requests", name, f"resources.requests.{key} is missing: the scheduler counts on it")
    if "memory" not in (resources.get("limits") or {}):
        yield Problem("memory-limit", name, "resources.limits.memory is missing: a leak would take the node along")
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield Problem("host", name, f"hostPort {port['hostPort']}: a Service is what publishes a port")
    yield from _of_security(name, container.get("securityContext") or {}, of_pod)


def _of_security(name: str, own: Json, of_pod: Json) -> Iterator[Problem]:
    both = {**of_pod, **own}  # the container's own settings win
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield Problem("root", name, "runAsNonRoot must be true, and runAsUser another than 0")
    if own.get("privileged"):
        yield Problem("privileged", name, "privileged is true: the node is its own")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Problem("escalation", name, "allowPrivilegeEscalation must be false")
    capabilities = own.get("capabilities") or {}
    more = set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}
    if "ALL" not in (capabilities.get("drop") or []) or more:
        kept = f", and {', '.join(sorted(more))} not added" if more else ""
        yield Problem("capabilities", name, f"capabilities must be dropped (ALL){kept}")
    if (both.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield Problem("seccomp", name, "seccompProfile.type must be RuntimeDefault or Localhost")
