"""Each policy, with something that keeps to it and something that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    Secret,
)
from pulumi_policy.secret import secrets_preserving_proxy

from ci import nouns
from policy import load_balancers, naming, protection, secret_marks, verified_tls, versions, workloads

RELEASE = {"chart": "longhorn", "version": "1.12.1", "repositoryOpts": {"repo": "https://charts.longhorn.io"}}
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
COMMIT = "1c9add48975060f45396b34d8e022c30d7f80dab"
LATER = min(nouns.UNKNOWN)
ACCOUNT = "pulumi-python:dynamic/certificates:AcmeAccount"
FILE = "proxmoxve:download/file:File"


def options(protect: bool = False, secret_outputs: tuple[str, ...] = ()) -> PolicyResourceOptions:
    return PolicyResourceOptions(protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [*secret_outputs])


def resource(
    type_: str, props: Any, name: str = "it", opts: PolicyResourceOptions | None = None
) -> ResourceValidationArgs:
    urn = f"urn:pulumi:paris::oss-nextgen::{type_}::{name}"
    return ResourceValidationArgs(type_, props, urn, name, opts or options(), None)


def workload(**changes: Any) -> dict[str, Any]:
    """A Deployment that keeps to everything, but for `changes` of its container."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}}
    container = {"name": "main", "image": "nginx:1.30.4", "securityContext": security, "resources": resources}
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{**container, **changes}],
    }
    return {"metadata": {"name": "it", "namespace": "homepage"}, "spec": {"template": {"spec": pod}}}


Rule = Callable[[ResourceValidationArgs], Iterator[str]]
PROTECTED = options(protect=True)

BROKEN: list[tuple[str, Rule, ResourceValidationArgs, str]] = [
    ("vm", protection.unprotected, resource(nouns.VM, {"protection": False}), "not protected"),
    ("vm-on-proxmox", protection.unprotected, resource(nouns.VM, {}, opts=PROTECTED), "not by Proxmox VE itself"),
    ("zone", protection.unprotected, resource(nouns.ZONE, {}), "not protected"),
    ("namespace", protection.unprotected, resource(nouns.NAMESPACE, {}), "not protected"),
    ("account", protection.unprotected, resource(ACCOUNT, {}), "not protected"),
    ("claim", protection.unprotected, resource("kubernetes:core/v1:PersistentVolumeClaim", {}), "not protected"),
    ("longhorn", protection.unprotected, resource(nouns.RELEASE, RELEASE), "not protected"),
    ("output", secret_marks.unmarked_outputs, resource(ACCOUNT, {}), "the secret key, which is not marked"),
    ("no-version", versions.unpinned_charts, resource(nouns.RELEASE, {"chart": "x"}), "has the chart version None"),
    ("range", versions.unpinned_charts, resource(nouns.RELEASE, {"version": "^1.2"}), "give the exact one"),
    (
        "latest",
        workloads.out_of_bounds,
        resource(DEPLOYMENT, workload(image="nginx:latest")),
        "main: image nginx:latest",
    ),
    ("no-tag", workloads.out_of_bounds, resource(DEPLOYMENT, workload(image="registry:5000/nginx")), "must have a tag"),
    ("checksum", versions.unpinned_downloads, resource(FILE, {"url": "https://x"}), "give its checksum"),
    (
        "branch",
        versions.unpinned_downloads,
        resource(nouns.CLUSTER, {"kubespray": {"commit": "master"}}),
        "full hash of a commit",
    ),
    ("insecure", verified_tls.unverified, resource("pulumi:providers:proxmoxve", {"insecure": "true"}), "insecure"),
    ("dynamic", verified_tls.unverified, resource("pulumi-python:dynamic/x:X", {"insecure": True}), "insecure"),
    ("download", verified_tls.unverified, resource(FILE, {"verify": False}), "verify"),
    (
        "kubeconfig",
        verified_tls.unverified,
        resource("pulumi:providers:kubernetes", {"kubeconfig": "insecure-skip-tls-verify: true"}),
        "insecure-skip-tls-verify",
    ),
    (
        "policy",
        verified_tls.unverified,
        resource("kubernetes:k8s.nginx.org/v1:Policy", {"spec": {"egressMTLS": {"verifyServer": False}}}),
        "verifyServer",
    ),
    ("clear", verified_tls.unverified, resource(nouns.ZONE, {"apiUrl": "http://10.0.0.1:8081"}), "in clear (apiUrl)"),
    (
        "clear-charts",
        verified_tls.unverified,
        resource(nouns.RELEASE, {"repositoryOpts": {"repo": "http://charts.example.org"}}),
        "in clear (repositoryOpts.repo)",
    ),
    ("logical", naming.misnamed, resource(DEPLOYMENT, {}, name="MyThing"), "lower case"),
    ("other-site", naming.misnamed, resource(nouns.VM, {"name": "lille-workers-1"}), "paris-<pool>-<number>"),
    ("no-number", naming.misnamed, resource(nouns.VM, {"name": "paris-workers"}), "paris-<pool>-<number>"),
]


@pytest.mark.parametrize(("rule", "broken", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_breaks_a_rule_is_told(rule: Rule, broken: ResourceValidationArgs, said: str) -> None:
    (problem,) = rule(broken)
    assert said in problem


KEPT: list[tuple[Rule, ResourceValidationArgs]] = [
    (protection.unprotected, resource(nouns.VM, {"protection": True}, opts=PROTECTED)),
    (protection.unprotected, resource(nouns.RELEASE, {"chart": "homepage"})),
    # It is fetched again.
    (protection.unprotected, resource(nouns.ZONE, {"kind": "Secondary"})),
    (secret_marks.unmarked_outputs, resource(ACCOUNT, {}, opts=options(secret_outputs=("key",)))),
    (versions.unpinned_charts, resource(nouns.RELEASE, RELEASE)),
    (versions.unpinned_charts, resource(nouns.RELEASE, {"version": LATER})),
    (workloads.out_of_bounds, resource(DEPLOYMENT, workload())),
    (workloads.out_of_bounds, resource(DEPLOYMENT, workload(image=f"nginx@sha256:{'a' * 64}"))),
    (workloads.out_of_bounds, resource(DEPLOYMENT, workload(image=LATER))),
    (workloads.out_of_bounds, resource("example:x/y:Deployment", workload(image="nginx"))),
    (workloads.out_of_bounds, resource("kubernetes:core/v1:Service", {"metadata": {"name": "it"}, "spec": {}})),
    (versions.unpinned_downloads, resource(FILE, {"checksum": "a"})),
    (versions.unpinned_downloads, resource(nouns.CLUSTER, {"kubespray": {"commit": COMMIT}})),
    (verified_tls.unverified, resource(nouns.ZONE, {"apiUrl": "http://127.0.0.1:8081", "insecure": False})),
    (verified_tls.unverified, resource(nouns.ZONE, {"apiUrl": LATER})),
    (naming.misnamed, resource(nouns.VM, {"name": "paris-workers-1"}, name="workers-1")),
    (naming.misnamed, resource(nouns.ZONE, {}, name="ef-fr.dev")),
    (naming.misnamed, resource("pulumi:providers:random", {}, name="default_4_21_1")),
]


@pytest.mark.parametrize(("rule", "kept"), KEPT)
def test_what_keeps_to_a_rule_passes(rule: Rule, kept: ResourceValidationArgs) -> None:
    assert [*rule(kept)] == []


@pytest.mark.parametrize(
    ("props", "bare"),
    [
        ({"apiKey": "k", "zone": "z."}, ["apiKey"]),
        ({"apiKey": Secret("k"), "zone": "z."}, []),
        ({"apiKey": "", "zone": "z."}, []),
    ],
    ids=["bare", "marked", "empty"],
)
def test_a_secret_input_that_is_not_marked_is_marked(props: dict[str, Any], bare: list[str]) -> None:
    """The SDK hands a remediation what it needs to see the marks."""
    marked = secret_marks.marked(resource(nouns.ZONE, secrets_preserving_proxy(props)))
    assert [key for key, value in (marked or {}).items() if isinstance(value, Secret)] == bare


def test_a_secret_of_kubernetes_is_marked_as_a_whole_or_key_by_key() -> None:
    kind = "kubernetes:core/v1:Secret"
    for data, complete in (
        ({"a": Secret("x")}, True),
        (Secret({"a": "x"}), True),
        ({"a": Secret("x"), "b": "y"}, False),
    ):
        found = secret_marks.marked(resource(kind, secrets_preserving_proxy({"stringData": data})))
        assert (found is None) is complete


POOL = ("kubernetes:metallb.io/v1beta1:IPAddressPool", {"spec": {"addresses": ["10.75.10.200-10.75.10.239"]}})


def service(**spec: Any) -> tuple[str, dict[str, Any]]:
    annotations = {load_balancers.ANNOTATION: spec.pop("asks")} if "asks" in spec else {}
    return load_balancers.SERVICE, {"metadata": {"annotations": annotations}, "spec": spec}


def release(address: str) -> tuple[str, dict[str, Any]]:
    values = {"controller": {"service": {"annotations": {load_balancers.ANNOTATION: address}}}}
    return nouns.RELEASE, {"chart": "nginx-ingress", "values": values}


def outside(*resources: tuple[str, Mapping[str, Any]]) -> list[str]:
    found = [
        PolicyResource(type_, dict(props), f"urn:{number}", "it", options(), None, None, [], {})
        for number, (type_, props) in enumerate(resources)
    ]
    return [problem for _, problem in load_balancers.outside(found)]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ([POOL, service(type="LoadBalancer", asks="10.75.10.10")], "asks for 10.75.10.10, which is in no pool"),
        ([service(type="LoadBalancer", asks="10.75.10.200")], "in no pool"),
        ([POOL, service(type="LoadBalancer")], "asks for no address of its own"),
        ([POOL, service(type="NodePort")], "NodePort"),
        ([POOL, service(externalIPs=["192.0.2.1"])], "externalIPs"),
        ([POOL, release("10.75.11.1")], "10.75.11.1, which is in no pool"),
        ([(POOL[0], {"spec": {"addresses": ["51.15.0.0/24"]}})], "which the internet routes"),
    ],
    ids=["outside", "no-pool", "any-address", "node-port", "external-ips", "chart", "public-pool"],
)
def test_what_is_reached_elsewhere_is_told(resources: list[tuple[str, Any]], said: str) -> None:
    (problem,) = outside(*resources)
    assert said in problem


def test_what_is_reached_in_the_pool_passes() -> None:
    assert outside(POOL, service(type="LoadBalancer", asks="10.75.10.200"), service(), release("10.75.10.201")) == []
    assert outside(POOL, service(type="LoadBalancer", asks=LATER)) == []
