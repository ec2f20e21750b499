"""What the plugin waits for, on a real control plane: real controllers, Pods played by kwok."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.plugins.base import PartialCreate, Props
from lab.plugins.kubernetes.api import Api, Object
from lab.plugins.kubernetes.provider import Provider
from tests.unit.plugins.kubernetes.engine import Engine, containers

MERGE = "application/merge-patch+json"
LABELS = {"app": "web"}


def pod_spec(node: str, image: str = "app:1", **more: Any) -> Props:
    return {"nodeName": node, "containers": containers(image), **more}


def workload(namespace: str, node: str, image: str = "app:1", **spec: Any) -> Props:
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec(node, image)}
    return {
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template, **spec},
    }


@contextmanager
def controller(api: Api, served_path: str, name: str, act: Callable[[Object], None]) -> Iterator[None]:
    """Plays a controller: `act` is called once, as soon as the object is there."""
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            found = [item for item in api.get(served_path)["items"] if item["metadata"]["name"] == name]
            if found:
                act(found[0])
                return
            done.wait(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_workloads(kind: str, provider: Provider, namespace: str, node: str) -> None:
    engine = Engine(f"kubernetes:apps/v1:{kind}", provider, timeout=60)
    specs: dict[str, Props] = {"Deployment": {"replicas": 2}, "StatefulSet": {"replicas": 2, "serviceName": "web"}}
    spec = specs.get(kind, {})
    status = engine.create(workload(namespace, node, **spec))["status"]
    ready = {"DaemonSet": "numberReady"}.get(kind, "readyReplicas")
    assert status[ready] == (1 if kind == "DaemonSet" else 2)
    status = engine.update(workload(namespace, node, "app:2", **spec))["status"]
    assert status[ready] == (1 if kind == "DaemonSet" else 2)
    assert status["updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas"] == status[ready]
    assert engine.refresh()
    assert not engine.diff(workload(namespace, node, "app:2", **spec)).changes
    engine.delete()


def test_deployment_that_never_becomes_ready(provider: Provider, namespace: str, node: str) -> None:
    engine = Engine("kubernetes:apps/v1:Deployment", provider, timeout=5)
    with pytest.raises(PartialCreate, match="failed to fully initialize") as raised:
        engine.create(workload(namespace, node, "broken"))
    message = str(raised.value)
    assert "0 of 1 Pods are ready" in message
    assert "[ImagePullBackOff] no such image" in message
    engine.id, engine.outputs = raised.value.id, raised.value.outputs
    with pytest.raises(PartialCreate, match="exists, but is not ready"):
        engine.refresh()
    engine.call.timeout = 60
    assert engine.update(workload(namespace, node))["status"]["readyReplicas"] == 1


def test_skip_await(provider: Provider, namespace: str, node: str) -> None:
    engine = Engine("kubernetes:apps/v1:Deployment", provider, timeout=2)
    inputs = workload(namespace, node, "broken")
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    engine.create(inputs)
    assert engine.refresh()
    engine.delete()


def test_cancelled_wait_keeps_the_object(provider: Provider, namespace: str, node: str) -> None:
    engine = Engine("kubernetes:apps/v1:Deployment", provider)
    engine.call.cancelled.set()
    with pytest.raises(PartialCreate, match="cancelled"):
        engine.create(workload(namespace, node, "broken"))


@pytest.mark.parametrize(("image", "restart"), [("batch", "Never"), ("app:1", "Always")])
def test_pod(image: str, restart: str, provider: Provider, namespace: str, node: str) -> None:
    engine = Engine("kubernetes:core/v1:Pod", provider, timeout=60)
    inputs: Props = {
        "metadata": {"name": "one", "namespace": namespace},
        "spec": pod_spec(node, image, restartPolicy=restart),
    }
    assert engine.create(inputs)["status"]["phase"] == ("Succeeded" if image == "batch" else "Running")
    engine.delete()
    assert not engine.refresh()


def test_job(provider: Provider, namespace: str, node: str) -> None:
    def job(name: str, image: str) -> Props:
        spec = {"template": {"spec": pod_spec(node, image, restartPolicy="Never")}, "activeDeadlineSeconds": 1}
        return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    done = Engine("kubernetes:batch/v1:Job", provider, timeout=60)
    assert done.create(job("done", "batch"))["status"]["succeeded"] == 1
    with pytest.raises(PartialCreate, match=r"\[DeadlineExceeded\]"):
        Engine("kubernetes:batch/v1:Job", provider, timeout=60).create(job("late", "broken"))


def service(namespace: str, **spec: Any) -> Props:
    return {"metadata": {"name": "web", "namespace": namespace}, "spec": {"ports": [{"port": 80}], **spec}}


def test_load_balancer_gets_its_address(provider: Provider, api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"

    def assign(item: Object) -> None:
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.200"}]}}}
        api.patch(f"{path}/web/status", status, MERGE)

    engine = Engine("kubernetes:core/v1:Service", provider, timeout=60)
    with controller(api, path, "web", assign):
        outputs = engine.create(service(namespace, type="LoadBalancer"))
    assert outputs["status"]["loadBalancer"]["ingress"][0]["ip"] == "10.0.0.200"
    waiting = Engine("kubernetes:core/v1:Service", provider, timeout=1)
    inputs = service(namespace, type="LoadBalancer")
    inputs["metadata"]["name"] = "other"
    with pytest.raises(PartialCreate, match="no address was allocated"):
        waiting.create(inputs)


def test_service_waits_for_its_pods(provider: Provider, namespace: str, node: str) -> None:
    Engine("kubernetes:core/v1:Service", provider, timeout=60).create(service(namespace, selector={"app": "nobody"}))
    broken = Engine("kubernetes:core/v1:Pod", provider)
    metadata = {"namespace": namespace, "labels": LABELS, "annotations": {"pulumi.com/skipAwait": "true"}}
    broken.create({"metadata": {"name": "broken", **metadata}, "spec": pod_spec(node, "broken")})
    inputs = service(namespace, selector=LABELS)
    inputs["metadata"]["name"] = "unready"
    with pytest.raises(PartialCreate, match="selected Pods are not ready"):
        Engine("kubernetes:core/v1:Service", provider, timeout=3).create(inputs)


def test_ingress_gets_its_address(provider: Provider, api: Api, namespace: str) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"

    def assign(item: Object) -> None:
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.201"}]}}}
        api.patch(f"{path}/web/status", status, MERGE)

    backend = {"service": {"name": "web", "port": {"number": 80}}}
    inputs: Props = {"metadata": {"name": "web", "namespace": namespace}, "spec": {"defaultBackend": backend}}
    with controller(api, path, "web", assign):
        outputs = Engine("kubernetes:networking.k8s.io/v1:Ingress", provider, timeout=60).create(inputs)
    assert outputs["status"]["loadBalancer"]["ingress"][0]["ip"] == "10.0.0.201"


def test_claims(provider: Provider, namespace: str) -> None:
    late = Engine("kubernetes:storage.k8s.io/v1:StorageClass", provider)
    late.create(
        {"metadata": {"name": "late"}, "provisioner": "lab.example/none", "volumeBindingMode": "WaitForFirstConsumer"}
    )

    def claim(name: str, storage_class: str) -> Props:
        size = {"requests": {"storage": "1Gi"}}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": size, "storageClassName": storage_class}
        return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    token = "kubernetes:core/v1:PersistentVolumeClaim"
    pending = Engine(token, provider, timeout=60)
    assert pending.create(claim("late", "late"))["status"]["phase"] == "Pending"
    with pytest.raises(PartialCreate, match="the claim is Pending"):
        Engine(token, provider, timeout=1).create(claim("unbound", "nobody-makes-these"))
    volume = Engine("kubernetes:core/v1:PersistentVolume", provider, timeout=60)
    volume.create(
        {
            "metadata": {"name": f"volume-{namespace}"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "by-hand",
                "hostPath": {"path": "/var/empty"},
            },
        }
    )
    bound = Engine(token, provider, timeout=60)
    assert bound.create(claim("bound", "by-hand"))["status"]["phase"] == "Bound"


def test_what_controllers_fill_in(provider: Provider, namespace: str) -> None:
    quota = Engine("kubernetes:core/v1:ResourceQuota", provider, timeout=60)
    outputs = quota.create({"metadata": {"name": "few", "namespace": namespace}, "spec": {"hard": {"pods": "3"}}})
    assert outputs["status"]["hard"] == {"pods": "3"}
    account = {"kubernetes.io/service-account.name": "default"}
    token = Engine("kubernetes:core/v1:Secret", provider, timeout=60)
    outputs = token.create(
        {
            "metadata": {"name": "token", "namespace": namespace, "annotations": account},
            "type": "kubernetes.io/service-account-token",
        }
    )
    assert outputs["data"]["token"]


def test_namespace_deletion_waits_for_its_content(provider: Provider) -> None:
    engine = Engine("kubernetes:core/v1:Namespace", provider, timeout=60)
    engine.create({"metadata": {"name": "short-lived"}})
    inside = Engine("kubernetes:core/v1:ConfigMap", provider)
    inside.create({"metadata": {"name": "settings", "namespace": "short-lived"}})
    engine.delete()
    assert not engine.refresh()
    assert not inside.refresh()
