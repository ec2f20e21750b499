"""What the tests of the lab's network share: addresses of their own, a cluster, waiting."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from lab.controllers.base import Controller
from lab.controllers.client import Cluster, Kind
from lab.controllers.config import Config
from lab.layout import REPOSITORY
from lab.plugins.kubernetes.api import Api, Object
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from tests.unit.plugins.kubernetes.cluster import cluster as running_cluster
from tests.unit.plugins.kubernetes.cluster import find_tools

BLOCK = 90
NODE = "worker-1"
WAIT_SECONDS = 120.0
"""Generous: another worker brings a whole site up on the same two cores."""

T = TypeVar("T")


def host(number: int) -> str:
    """A loopback address of the tests' own for each pytest-xdist worker."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"127.{BLOCK}.{200 + worker}.{number}"


def eventually(look: Callable[[], T]) -> T:
    """What `look` returns once it returns something true; what it raises until then counts as nothing."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while True:
        try:
            if found := look():
                return found
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.05)


class Admin:
    """The cluster as its administrator uses it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._cluster = Cluster(api, "tests")

    def create(self, api_version: str, kind: str, namespace: str, name: str, **fields: Any) -> Object:
        """Create an object, once its kind is served and its namespace ready. Returns it."""
        served = eventually(lambda: self.api.served(api_version, kind))
        metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
        body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        return self.api.post(served.path(namespace), body)

    def status(self, item: Object, status: Object) -> Object:
        return self._cluster.patch_status(_kind(item), item, status)

    def patch(self, item: Object, changes: Object) -> Object:
        return self._cluster.patch(_kind(item), item, changes)

    def read(self, item: Object) -> Object:
        served = self.api.served(*_kind(item))
        return self.api.get(served.path(item["metadata"].get("namespace", ""), item["metadata"]["name"]))

    def delete(self, item: Object) -> None:
        served = self.api.served(*_kind(item))
        path = served.path(item["metadata"].get("namespace", ""), item["metadata"]["name"])
        self.api.delete(path, {"propagationPolicy": "Background"})


def _kind(item: Object) -> Kind:
    return Kind(item["apiVersion"], item["kind"])


@pytest.fixture(scope="session")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """A running cluster with one played node; it serves Policies as the ingress controller's chart has them.

    There is no scheduler: Pods say where they run.
    """
    with running_cluster(tmp_path_factory.mktemp("cluster"), find_tools()) as text:
        admin = Admin(Api(Kubeconfig.load(text)))
        definition = (REPOSITORY / "lab/charts/nginx-ingress/crds/k8s.nginx.org_policies.yaml").read_text()
        admin.api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(definition))
        admin.api.post("/api/v1/nodes", {"metadata": {"name": NODE}})
        yield admin


@pytest.fixture(scope="module")
def namespace(admin: Admin, request: pytest.FixtureRequest) -> str:
    """The namespace that a test module names by its `NAMESPACE`."""
    name: str = request.module.NAMESPACE
    admin.api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    eventually(lambda: admin.api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return name


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """What the controllers are told."""
    return Config.model_validate(
        {
            "site": "paris",
            "kubeconfig": tmp_path / "kubeconfig",
            "state": tmp_path / "state",
            "loadBalancers": {"first": host(200), "last": host(239)},
            "dns": {"address": host(200), "port": 5300, "apiPort": 8444},
            "ingress": {"address": host(201), "httpPort": 8080, "httpsPort": 8443},
            "webhook": {"address": host(3), "port": 9443},
            "caBundle": tmp_path / "ca.pem",
            "routes": {"192.0.2.1": host(9)},
        }
    )


@contextmanager
def controlled(controller: Controller, admin: Admin) -> Iterator[None]:
    """A controller at work."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            controller.run(Cluster(admin.api, controller.name), stop)
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]
