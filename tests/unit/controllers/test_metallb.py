"""MetalLB's controller with the lab's chart on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.controllers.client import Cluster, Kind
from lab.controllers.config import Config
from lab.controllers.metallb import POOL, SERVICE, MetalLb
from lab.controllers.pools_webhook import CONFIGURATION, NAME, PoolsWebhook
from lab.controllers.webhooks import KINDS, Webhooks, ignored
from lab.plugins.kubernetes.api import ApiError
from tests.unit.controllers.conftest import events, eventually, helm, read, released, serving

NAMESPACE = "metallb-system"
SITE_POOL = {
    "metadata": {"name": "site", "namespace": NAMESPACE},
    "spec": {"addresses": ["127.89.17.200-127.89.17.203"]},
}


@pytest.fixture
def state(kubeconfig: Path, config: Config) -> Iterator[Path]:
    """State folder of the controllers, while they and MetalLB are up."""
    with (
        serving(config, [Webhooks(config), MetalLb(config), PoolsWebhook(config)]),
        released(kubeconfig, "metallb", NAMESPACE, "--create-namespace", "--set=frrk8s.enabled=false"),
    ):
        yield config.state


def make_service(admin: Cluster, name: str, **spec: Any) -> None:
    body = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}], **spec}
    admin.create(SERVICE, {"metadata": {"name": name, "namespace": "default"}, "spec": body})


def address(admin: Cluster, name: str) -> str:
    service = read(admin, SERVICE, "default", name)
    ingress = service["status"]["loadBalancer"].get("ingress") if service else None
    return str(ingress[0]["ip"]) if ingress else ""


def test_life_of_an_address(state: Path, admin: Cluster) -> None:
    make_service(admin, "any")
    make_service(admin, "fixed", loadBalancerIP="127.89.17.202")
    make_service(admin, "outside", loadBalancerIP="127.89.17.230")
    eventually(lambda: ignored(state), "the webhooks are set aside")
    admin.create(POOL, SITE_POOL)
    assert eventually(lambda: address(admin, "any"), "an address") == "127.89.17.200"
    assert eventually(lambda: address(admin, "fixed"), "the address asked for") == "127.89.17.202"
    refused = (
        "AllocationFailed",
        'Failed to allocate IP for "default/outside": ["127.89.17.230"] is not allowed in config',
    )
    eventually(lambda: refused in events(admin, "default", "outside"), "the refusal")
    assert not address(admin, "outside")
    assert ("IPAllocated", 'Assigned IP ["127.89.17.200"]') in events(admin, "default", "any")

    pool = read(admin, POOL, NAMESPACE, "site")
    assert pool
    admin.patch(POOL, pool, {"spec": {"addresses": ["127.89.17.202-127.89.17.230"]}})
    eventually(lambda: address(admin, "any") == "127.89.17.203", "another address when the first left the pool")
    eventually(lambda: address(admin, "outside") == "127.89.17.230", "the address that is in the pool now")
    assert address(admin, "fixed") == "127.89.17.202"
    assert [message for reason, message in events(admin, "default", "outside") if reason == "AllocationFailed"] == [
        refused[1]
    ]

    service = read(admin, SERVICE, "default", "any")
    assert service
    admin.patch(SERVICE, service, {"spec": {"type": "ClusterIP"}})
    eventually(lambda: not address(admin, "any"), "no address for a service that wants none")
    managers = [entry for entry in service["metadata"]["managedFields"] if entry["manager"] == MetalLb.name]
    assert [entry.get("subresource") for entry in managers] == ["status"], "it writes the status only"


def test_a_pool_may_not_overlap_with_another(state: Path, admin: Cluster) -> None:
    eventually(lambda: ignored(state), "the others are set aside")
    metadata = {name: {"name": name, "namespace": NAMESPACE} for name in ("one", "two")}
    admin.create(POOL, {"metadata": metadata["one"], "spec": {"addresses": ["127.89.17.200-127.89.17.203"]}})
    path = admin.api.served(*POOL).path(NAMESPACE)

    def refusal(*addresses: str) -> str:
        body = {"metadata": metadata["two"], "spec": {"addresses": addresses}}
        try:
            admin.api.post(path, {"apiVersion": POOL.api_version, "kind": POOL.name, **body}, dryRun="All")
        except ApiError as error:
            return str(error)
        return ""

    says = 'CIDR "127.89.17.202/31" in pool "two" overlaps with already defined CIDR "127.89.17.200/30"'
    assert says in eventually(lambda: refusal("127.89.17.210/32", "127.89.17.202-127.89.17.209"), "the check")
    admin.create(POOL, {"metadata": metadata["two"], "spec": {"addresses": ["127.89.17.204-127.89.17.209"]}})
    taken = read(admin, POOL, NAMESPACE, "two")
    assert taken
    with pytest.raises(ApiError, match="overlaps with already defined CIDR"):
        admin.patch(POOL, taken, {"spec": {"addresses": ["127.89.17.203-127.89.17.209"]}})
    admin.patch(POOL, taken, {"spec": {"addresses": ["127.89.17.205-127.89.17.209"]}})


def test_the_check_goes_with_metallb(kubeconfig: Path, config: Config, admin: Cluster) -> None:
    with serving(config, [PoolsWebhook(config)]):
        with released(kubeconfig, "metallb", NAMESPACE, "--create-namespace", "--set=frrk8s.enabled=false"):
            eventually(lambda: read(admin, CONFIGURATION, "", NAME), "the check")
        eventually(lambda: not read(admin, CONFIGURATION, "", NAME), "no check any more")


def test_webhooks_are_set_aside(state: Path, kubeconfig: Path, admin: Cluster) -> None:
    validating = KINDS[1]

    def policies() -> set[str]:
        item = read(admin, validating, "", "metallb-webhook-configuration")
        return {hook["failurePolicy"] for hook in item["webhooks"]} if item else set()

    eventually(lambda: policies() == {"Ignore"}, "every failure is ignored")
    names = eventually(lambda: ignored(state), "they are remembered")
    assert names == ["metallb-webhook-configuration/l2advertisementvalidationwebhook.metallb.io"]

    helm(kubeconfig, "upgrade", "metallb", "lab/charts/metallb", "-n", NAMESPACE, "--wait", "--reuse-values")
    eventually(lambda: policies() == {"Ignore"}, "what Helm set back is set again")


def test_webhooks_of_real_services_are_left_alone(state: Path, admin: Cluster) -> None:
    hook = {
        "name": "check.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
    }
    kind = Kind(KINDS[0].api_version, "ValidatingWebhookConfiguration")
    admin.create(kind, {"metadata": {"name": "real"}, "webhooks": [hook]})
    eventually(lambda: ignored(state), "the others are set aside")
    item = read(admin, kind, "", "real")
    assert item
    assert item["webhooks"][0]["failurePolicy"] == "Fail"
    admin.delete(kind, item)
