"""The policy on pods: each rule broken once, its exemptions, and the real charts with our values where they are."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from components import nginx
from components.kubernetes.inventory import REGISTRIES
from components.powerdns import server as powerdns
from components.socle import postgresql
from components.socle.namespaces import LEVELS
from lab.chart_repository import CHARTS, given_archives
from lab.layout import REPOSITORY
from lab.toolchain.resolve import Toolchain
from policy.pods import EXEMPTIONS, pod_of, problems, problems_of
from settings.services import Charts

Json = dict[str, Any]

GOOD: Json = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "web",
            "image": "registry.example:5000/team/web:1.2.3",
            "ports": [{"containerPort": 8080}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            },
        }
    ],
}


def container(change: Callable[[Json], object]) -> Callable[[Json], object]:
    return lambda pod: change(pod["containers"][0])


def security(**values: Any) -> Callable[[Json], object]:
    return container(lambda one: one["securityContext"].update(values))


def image(name: str) -> Callable[[Json], object]:
    return container(lambda one: one.update(image=name))


BROKEN = [
    ("image", image("registry.example:5000/team/web"), "web: image registry.example:5000/team/web must have a tag"),
    ("image", image("web:latest"), "web: image web:latest must have a tag other than latest"),
    ("requests", container(lambda one: one["resources"]["requests"].pop("cpu")), "web: resources.requests.cpu is"),
    ("requests", container(lambda one: one["resources"]["requests"].pop("memory")), "web: resources.requests.memory"),
    ("memory-limit", container(lambda one: one["resources"].pop("limits")), "web: resources.limits.memory is missing"),
    ("root", lambda pod: pod["securityContext"].pop("runAsNonRoot"), "web: runAsNonRoot must be true"),
    ("root", security(runAsUser=0), "web: runAsNonRoot must be true, and runAsUser another than 0"),
    ("root", security(runAsNonRoot=False), "web: runAsNonRoot must be true"),
    ("privileged", security(privileged=True), "web: privileged is true"),
    ("escalation", security(allowPrivilegeEscalation=None), "web: allowPrivilegeEscalation must be false"),
    ("capabilities", security(capabilities={}), "web: capabilities must be dropped (ALL)"),
    (
        "capabilities",
        security(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN", "NET_RAW"]}),
        "web: capabilities must be dropped (ALL), and NET_RAW, SYS_ADMIN not added",
    ),
    ("seccomp", lambda pod: pod["securityContext"].pop("seccompProfile"), "web: seccompProfile.type must be"),
    ("host", lambda pod: pod.update(hostNetwork=True), "hostNetwork is true"),
    (
        "host",
        lambda pod: pod["volumes"].append({"name": "etc", "hostPath": {"path": "/etc"}}),
        "volume etc is a path of the node",
    ),
    ("host", container(lambda one: one["ports"][0].update(hostPort=80)), "web: hostPort 80"),
]


@pytest.mark.parametrize(("rule", "change", "text"), BROKEN)
def test_each_rule_says_what_is_wrong(rule: str, change: Callable[[Json], object], text: str) -> None:
    pod = copy.deepcopy(GOOD)
    change(pod)
    (problem,) = problems(pod)
    assert (problem.rule, str(problem)[: len(text)]) == (rule, text)


def test_a_good_pod_has_no_problems() -> None:
    assert problems(GOOD) == []
    digest = copy.deepcopy(GOOD)
    digest["containers"][0]["image"] = f"web@sha256:{'0' * 64}"
    assert problems(digest) == []


def test_init_containers_are_looked_at_too() -> None:
    pod = {**GOOD, "initContainers": [{"name": "first", "image": "busybox"}]}
    assert {problem.container for problem in problems(pod)} == {"first"}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Pod", GOOD),
        ("StatefulSet", {"template": {"spec": GOOD}}),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"spec": GOOD}}}}),
    ],
)
def test_every_kind_that_makes_pods_is_known(kind: str, spec: Json) -> None:
    assert pod_of({"kind": kind, "metadata": {"name": "web"}, "spec": spec}) == GOOD


@pytest.mark.parametrize("item", [{"kind": "Secret"}, {"kind": "Issuer", "spec": {"template": {"spec": {}}}}])
def test_other_kinds_make_none(item: Json) -> None:
    assert problems_of({**item, "metadata": {"name": "x"}}, "default") == []


def test_an_exemption_is_for_one_workload() -> None:
    pod = {**copy.deepcopy(GOOD), "hostNetwork": True}
    speaker = {"kind": "DaemonSet", "metadata": {"name": "metallb-speaker"}, "spec": {"template": {"spec": pod}}}
    assert problems_of(speaker, "metallb-system") == []
    assert [each.rule for each in problems_of(speaker, "default")] == ["host"]
    other = {**speaker, "metadata": {"name": "metallb-controller", "namespace": "metallb-system"}}
    assert [each.rule for each in problems_of(other)] == ["host"]


def test_every_exemption_has_a_reason() -> None:
    assert all(exemption.reason and exemption.rules for exemption in EXEMPTIONS)


def chart_names() -> list[str]:
    return [name.replace("_", "-") for name in Charts.model_fields]


def rendered(chart: str) -> list[Json]:
    """The objects of a chart with our values: the official chart where `LAB_CHARTS` has it, else the lab's."""
    archives = given_archives(dict(os.environ))
    found = sorted(archives.glob(f"{chart}-[0-9]*.tgz")) if archives else []
    helm = Toolchain().ensure(["helm"])["helm"].path
    command = [
        *(str(helm), "template", chart, str(found[-1] if found else CHARTS / chart), f"--namespace={namespace(chart)}"),
        *("--kube-version=1.35.4", f"--values={REPOSITORY / 'helm' / chart}.yaml"),
        # Official schemas refer to other hosts.
        *(["--skip-schema-validation"] if found else []),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return [item for item in yaml.safe_load_all(result.stdout) if item]


def namespace(chart: str) -> str:
    return chart if chart in LEVELS else f"{chart}-system"


@pytest.mark.parametrize("chart", chart_names())
def test_every_image_is_of_a_registry_that_a_mirror_stands_for(chart: str) -> None:
    pods = [pod for item in rendered(chart) if (pod := pod_of(item))]
    images = {one["image"] for pod in pods for key in ("initContainers", "containers") for one in pod.get(key) or []}
    assert images
    assert {registry(image) for image in images} <= REGISTRIES.keys()


def test_so_are_our_own_images() -> None:
    ours = (postgresql.IMAGE, powerdns.IMAGE, nginx.IMAGE)
    assert {registry(image) for image in ours} <= REGISTRIES.keys()


def registry(image: str) -> str:
    """Of an image, as containerd reads its name."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first) else "docker.io"


@pytest.mark.parametrize("chart", chart_names())
def test_the_charts_keep_to_it_with_our_values(chart: str) -> None:
    found = {
        f"{item['kind']}/{item['metadata']['name']}: {problem}"
        for item in rendered(chart)
        for problem in problems_of(item, namespace(chart))
    }
    assert found == set()
