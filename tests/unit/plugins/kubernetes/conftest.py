"""A real control plane for the kubernetes plugin's tests."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.plugins.kubernetes import PLUGIN
from lab.plugins.kubernetes.api import Api, ApiError
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from lab.plugins.kubernetes.provider import Provider
from tests.unit.plugins.kubernetes.cluster import START_SECONDS, cluster, find_tools

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def tools() -> dict[str, Path]:
    return find_tools()


@pytest.fixture(scope="session")
def kubeconfig(tools: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Text of the administrator's kubeconfig of a running cluster."""
    with cluster(tmp_path_factory.mktemp("cluster"), tools) as text:
        yield text


@pytest.fixture(scope="session")
def api(kubeconfig: str) -> Api:
    """The cluster, seen without the plugin."""
    return Api(Kubeconfig.load(kubeconfig))


@pytest.fixture(scope="session")
def node(api: Api) -> str:
    """Name of a node for Pods: there is no scheduler, tests say where their Pods run."""
    api.post("/api/v1/nodes", {"metadata": {"name": "worker-1"}})
    return "worker-1"


@pytest.fixture
def namespace(api: Api) -> str:
    """A namespace of the test's own."""
    name = f"test-{next(_numbers)}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    api_path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    deadline, pause = time.monotonic() + START_SECONDS, threading.Event()
    while time.monotonic() < deadline:  # Pods are refused until the controller has made it
        try:
            api.get(api_path)
            break
        except ApiError:
            pause.wait(0.05)
    return name


@pytest.fixture
def provider(kubeconfig: str) -> Provider:
    return PLUGIN.configure({"kubeconfig": kubeconfig})
