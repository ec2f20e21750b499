"""The lab's controllers on a real control plane with a scheduler and one played node."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lab.controllers.base import Controller, serve
from lab.controllers.client import MERGE_PATCH, Cluster, Kind
from lab.controllers.config import Config
from lab.layout import REPOSITORY
from lab.plugins.kubernetes.api import Api, ApiError, Object
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from lab.toolchain.resolve import Toolchain
from tests.unit.plugins.kubernetes.cluster import cluster, find_tools

WAIT_SECONDS = 120.0
WEBHOOK = "127.89.17.3"

T = TypeVar("T")


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of a running cluster."""
    home = tmp_path_factory.mktemp("cluster")
    scheduler = Toolchain().ensure(["kube-scheduler"])["kube-scheduler"].path
    with cluster(home, find_tools()) as text, (home / "scheduler.log").open("wb") as log:
        _add_node(Api(Kubeconfig.load(text)))
        command = [str(scheduler), f"--kubeconfig={home}/kubeconfig", "--leader-elect=false", "--secure-port=0"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield home / "kubeconfig"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _add_node(api: Api) -> None:
    metadata = {
        "name": "worker-1",
        "labels": {"kubernetes.io/os": "linux"},
        "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},  # as every kubelet says
    }
    api.post("/api/v1/nodes", {"metadata": metadata})
    room = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    api.patch("/api/v1/nodes/worker-1/status", {"status": {"capacity": room, "allocatable": room}}, MERGE_PATCH)


@pytest.fixture(scope="session")
def admin(kubeconfig: Path) -> Cluster:
    """The cluster as its administrator sees it."""
    return Cluster(Api(Kubeconfig.load(str(kubeconfig))), "tests")


@pytest.fixture
def config(kubeconfig: Path, tmp_path: Path) -> Config:
    return make_config(kubeconfig, tmp_path)


@pytest.fixture(scope="module")
def module_config(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(kubeconfig, tmp_path_factory.mktemp("controllers"))


def make_config(kubeconfig: Path, home: Path) -> Config:
    return Config.model_validate(
        {
            "site": "paris",
            "kubeconfig": kubeconfig,
            "state": home / "state",
            "loadBalancers": {"first": "127.89.17.200", "last": "127.89.17.239"},
            "dns": {"address": "127.89.17.200", "port": 5300, "apiPort": 8444},
            "ingress": {"address": "127.89.17.201", "httpPort": 8080, "httpsPort": 8443},
            "webhook": {"address": WEBHOOK, "port": _free_port()},
            "caBundle": home / "ca.pem",
        }
    )


def _free_port() -> int:
    with socket.create_server((WEBHOOK, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def serving(config: Config, controllers: Sequence[Controller]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(config, controllers, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=WAIT_SECONDS)
        assert not thread.is_alive(), "the controllers do not end"


@contextmanager
def released(kubeconfig: Path, name: str, namespace: str, *arguments: str) -> Iterator[None]:
    """One of the lab's charts, installed and ready; uninstalled at the end."""
    helm(kubeconfig, "install", name, str(REPOSITORY / "lab/charts" / name), "-n", namespace, "--wait", *arguments)
    try:
        yield
    finally:
        helm(kubeconfig, "uninstall", name, "-n", namespace, "--wait", "--no-hooks")


def helm(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(find_tools()["helm"]), "--kubeconfig", str(kubeconfig), *arguments, "--timeout=60s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert arguments[0] == "uninstall" or done.returncode == 0, done.stderr
    return done


def read(admin: Cluster, kind: Kind, namespace: str, name: str) -> Object | None:
    try:
        return admin.api.get(admin.api.served(*kind).path(namespace, name))
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def eventually(look: Callable[[], T | None], what: str) -> T:
    """The first thing found, looked for again and again: nobody tells a test when the cluster has got there."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS:.0f} s: {what}"
        pause.wait(0.05)
    return found


def events(admin: Cluster, namespace: str, name: str) -> list[tuple[str, str]]:
    """(reason, message) of what has been said about an object."""
    items: list[dict[str, Any]] = admin.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    return [(item["reason"], item["message"]) for item in items if item["involvedObject"]["name"] == name]
