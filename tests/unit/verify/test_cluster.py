"""Nodes, storage classes and TLS Secrets, read from an HTTPS server with the API's objects."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.verify.conftest import MakeStack
from tests.unit.verify.pki import Ca, Issued
from tests.unit.verify.servers import address, https
from verify import certificates, cluster
from verify.certificates import Trust
from verify.checks import CheckFailed, run_all
from verify.stack import Stack

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
MACHINES = [
    {"name": "paris-masters-1", "role": "control-plane", "address": "10.75.10.101"},
    {"name": "paris-workers-1", "role": "worker", "address": "10.75.10.102"},
    {"name": "paris-storage-1", "role": "storage", "address": "10.75.10.103"},
]
Objects = dict[str, Any]


def node(name: str, status: str | None = "True") -> Objects:
    """A node; without a status, one that has not reported."""
    ready = [{"type": "Ready", "status": status, "message": "container runtime network not ready"}] if status else []
    return {"metadata": {"name": name}, "status": {"conditions": ready}}


STORAGE = node("paris-storage-1")


def storage_class(name: str, annotations: dict[str, str] | None = None) -> Objects:
    return {"metadata": {"name": name, "annotations": annotations or {}}, "provisioner": "driver.longhorn.io"}


def kubeconfig(server: str, authority: str, client: Issued) -> str:
    def text(pem: str) -> str:
        return base64.b64encode(pem.encode()).decode()

    user = {"client-certificate-data": text(client.chain), "client-key-data": text(client.key)}
    return yaml.safe_dump(
        {
            "current-context": "admin@paris",
            "contexts": [{"name": "admin@paris", "context": {"cluster": "paris", "user": "admin"}}],
            "clusters": [
                {"name": "paris", "cluster": {"server": server, "certificate-authority-data": text(authority)}}
            ],
            "users": [{"name": "other", "user": {}}, {"name": "admin", "user": user}],
        }
    )


class Api:
    """What the API server holds: URL path -> items of the collection, or an object."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Objects] | Objects] = {}
        self.kubeconfig = ""

    def respond(self, _host: str, path: str) -> tuple[int, str]:
        if path == "/apis/metallb.io/v1beta1":
            return 404, "404 page not found"
        method, _, deleted = path.rpartition(" ")
        if method and deleted in self.objects:
            return 200, json.dumps(self.objects.pop(deleted))
        if path not in self.objects:
            return 404, json.dumps({"kind": "Status", "code": 404, "message": f"{path} not found"})
        found = self.objects[path]
        return 200, json.dumps({"items": found} if isinstance(found, list) else found)


@pytest.fixture
def api(ca: Ca, tmp_path: Path) -> Iterator[Api]:
    """A server that takes only clients with a certificate of the tests' CA."""
    api = Api()
    with https(address(5), ca.issue([address(5)]), tmp_path, api.respond, client_ca=ca.root) as port:
        api.kubeconfig = kubeconfig(f"https://{address(5)}:{port}", ca.root, ca.issue(["admin"]))
        yield api


@pytest.fixture
def site(stack: MakeStack, api: Api) -> Callable[..., Stack]:
    return lambda **outputs: stack({"kubeconfig": api.kubeconfig, "nodes": MACHINES, **outputs})


def test_all_nodes_are_ready(api: Api, site: Callable[..., Stack]) -> None:
    api.objects["/api/v1/nodes"] = [node("paris-masters-1"), node("paris-workers-1"), STORAGE]
    assert cluster.nodes(site()) == "3 of 3 ready"


def test_the_administrator_s_certificate_has_days_left(ca: Ca, stack: MakeStack) -> None:
    def site(days: float) -> Stack:
        return stack({"kubeconfig": kubeconfig("https://10.0.0.1:6443", ca.root, ca.issue(["admin"], days))})

    assert certificates.administrator(site(364)) == "364 days left"
    with pytest.raises(CheckFailed, match="only 29 days left, fewer than 30: renew it with `pulumi up`"):
        certificates.administrator(site(29))


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("paris-masters-1"), STORAGE], "paris-workers-1 is no node of the cluster"),
        ([node("paris-masters-1"), node("paris-workers-1")], "paris-storage-1 is no node of the cluster"),
        (
            [node("paris-masters-1"), node("paris-workers-1", "False"), STORAGE],
            "paris-workers-1 is not ready: container runtime network not ready",
        ),
        (
            [node("paris-masters-1", None), node("paris-workers-1", "Unknown"), STORAGE],
            (
                "paris-masters-1 is not ready: it has not reported yet; "
                "paris-workers-1 is not ready: container runtime network not ready"
            ),
        ),
        (
            [node("paris-masters-1"), node("paris-workers-1"), node("paris-workers-2"), STORAGE],
            "paris-workers-2 is a node, but no machine of the stack",
        ),
    ],
)
def test_nodes_that_are_not_as_they_should_be(
    api: Api, site: Callable[..., Stack], nodes: list[Objects], reason: str
) -> None:
    api.objects["/api/v1/nodes"] = nodes
    with pytest.raises(CheckFailed) as failure:
        cluster.nodes(site())
    assert str(failure.value) == reason


def test_the_default_storage_class(api: Api, site: Callable[..., Stack]) -> None:
    classes = [storage_class("longhorn", DEFAULT), storage_class("longhorn-static")]
    api.objects["/apis/storage.k8s.io/v1/storageclasses"] = classes
    assert cluster.storage_class(site(storageClass="longhorn")) == "default, by driver.longhorn.io"


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ([], "there is no storage class longhorn, only: none"),
        ([storage_class("local", DEFAULT)], "there is no storage class longhorn, only: local"),
        ([storage_class("longhorn")], "longhorn has to be the only default storage class; default: none"),
        (
            [storage_class("longhorn", DEFAULT), storage_class("local", DEFAULT)],
            "longhorn has to be the only default storage class; default: local, longhorn",
        ),
    ],
)
def test_storage_classes_that_are_not_as_they_should_be(
    api: Api, site: Callable[..., Stack], classes: list[Objects], reason: str
) -> None:
    api.objects["/apis/storage.k8s.io/v1/storageclasses"] = classes
    with pytest.raises(CheckFailed) as failure:
        cluster.storage_class(site(storageClass="longhorn"))
    assert str(failure.value) == reason


def test_tls_secrets(api: Api, site: Callable[..., Stack], ca: Ca, trust: Trust) -> None:
    good, other = (ca.issue([zone, f"*.{zone}"]).chain for zone in ("ef-fr.dev", "other.example"))
    for name, pem in (("good", good), ("other", other), ("empty", "")):
        data = {"tls.crt": base64.b64encode(pem.encode()).decode(), "tls.key": "c2VjcmV0"}
        api.objects[f"/api/v1/namespaces/web/secrets/{name}"] = {"data": data}
    places = {"ef-fr.dev": ["web/good", "web/other", "web/empty", "web/none"]}
    results = run_all(certificates.secrets(site(tlsSecrets=places), trust))
    assert [(result.target, result.passed) for result in results] == [
        ("web/good", True),
        ("web/other", False),
        ("web/empty", False),
        ("web/none", False),
    ]
    assert results[1].reason == "does not cover ef-fr.dev; does not cover *.ef-fr.dev"
    assert results[3].reason.endswith("(HTTP 404): /api/v1/namespaces/web/secrets/none not found")


def test_what_may_not_be_there(api: Api, site: Callable[..., Stack]) -> None:
    path = "/api/v1/namespaces/web/secrets/good"
    api.objects[path] = {"kind": "Secret"}
    found = cluster.Cluster.of(site())
    assert found.find(path) == {"kind": "Secret"}
    assert found.find("/api/v1/namespaces/web/secrets/none") is None
    assert found.find("/apis/metallb.io/v1beta1") is None
    found.delete(path)
    found.delete(path)
    assert found.find(path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{unclosed", "is no kubeconfig"),
        ("just text", "is no kubeconfig"),
        ("current-context: nowhere\ncontexts: []\n", "is no kubeconfig with a current context"),
        (
            """
            current-context: a
            contexts: [{name: a, context: {cluster: a, user: a}}]
            clusters: [{name: a, cluster: {server: "https://10.0.0.1:6443"}}]
            users: [{name: a, user: {token: s3cret}}]
            """,
            "must name a server and embed its CA",
        ),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(text: str, reason: str) -> None:
    with pytest.raises(CheckFailed, match=reason) as failure:
        cluster.Cluster(text)
    assert "s3cret" not in str(failure.value)


def test_an_api_server_that_another_ca_signed(api: Api, stack: MakeStack, ca: Ca) -> None:
    server = yaml.safe_load(api.kubeconfig)["clusters"][0]["cluster"]["server"]
    other = kubeconfig(server, Ca("Other").root, ca.issue(["admin"]))
    with pytest.raises(CheckFailed, match="is not accepted: unable to get local issuer certificate"):
        cluster.Cluster.of(stack({"kubeconfig": other})).get("/api/v1/nodes")


def test_a_client_that_the_api_server_does_not_know(api: Api, ca: Ca) -> None:
    server = yaml.safe_load(api.kubeconfig)["clusters"][0]["cluster"]["server"]
    with pytest.raises(CheckFailed, match=rf"{address(5)}:\d+"):
        cluster.Cluster(kubeconfig(server, ca.root, Ca("Other").issue(["admin"]))).get("/api/v1/nodes")
