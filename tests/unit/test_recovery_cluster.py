"""What the recovery command does about what was being made on a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ci.nouns import RELEASE
from recovery.cluster import settle, unblock
from recovery.state import Adoption, Pending
from verify.cluster import JSON, Cluster, Object

WEB = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "shop"}}
POOL = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "shared", "namespace": "lb"}}
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "shop:reader"}}
HOMEPAGE = Pending("urn::homepage", RELEASE, {"name": "homepage", "namespace": "homepage"})
RECORDS = "/api/v1/namespaces/homepage/secrets?labelSelector=owner%3Dhelm%2Cname%3Dhomepage"

SERVED = {
    "/api/v1": [("Namespace", "namespaces", False), ("Namespace", "namespaces/status", False)],
    "/apis/apps/v1": [("Scale", "statefulsets/scale", True), ("StatefulSet", "statefulsets", True)],
    "/apis/rbac.authorization.k8s.io/v1": [("ClusterRole", "clusterroles", False)],
}


class Held(Cluster):
    """A cluster that holds what it is given: URL path -> object, or items of a collection."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects = objects

    def find(self, path: str) -> Object | None:
        if kinds := SERVED.get(path):
            return {"resources": [dict(zip(("kind", "name", "namespaced"), kind, strict=True)) for kind in kinds]}
        return self.objects.get(path)

    def items(self, path: str, accept: str = JSON) -> list[Object]:
        assert "PartialObjectMetadataList" in accept, "a release's record holds its secrets"
        return list(self.objects.get(path, []))

    def delete(self, path: str) -> None:
        self.objects[RECORDS] = [one for one in self.objects[RECORDS] if not path.endswith(one["metadata"]["name"])]


def creation(inputs: Object) -> Pending:
    return Pending("urn", f"kubernetes:{inputs['apiVersion']}:{inputs['kind']}", inputs)


def live(inputs: Object, *managers: tuple[str, str]) -> Object:
    fields = [{"manager": manager, "operation": operation} for manager, operation in managers]
    return {"metadata": {**inputs["metadata"], "managedFields": fields}}


CREATED = ("pulumi-kubernetes", "Update")
APPLIED = ("pulumi-kubernetes-0a1b2c3d", "Apply")


@pytest.mark.parametrize(
    ("inputs", "path", "managers", "adopted"),
    [
        (WEB, "/apis/apps/v1/namespaces/shop/statefulsets/web", [CREATED], Adoption("shop/web")),
        (
            WEB,
            "/apis/apps/v1/namespaces/shop/statefulsets/web",
            [("kube-controller-manager", "Update"), APPLIED],
            Adoption("shop/web", {"__fieldManager": APPLIED[0]}),
        ),
        (SHOP, "/api/v1/namespaces/shop", [CREATED], Adoption("shop")),
        (
            ROLE,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/shop%3Areader",
            [CREATED],
            Adoption("shop:reader"),
        ),
        (WEB, "/apis/apps/v1/namespaces/shop/statefulsets/web", [("kubectl-create", "Update")], None),
        (WEB, "/apis/apps/v1/namespaces/shop/statefulsets/other", [CREATED], None),
        (POOL, "/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools/shared", [CREATED], None),
    ],
    ids=["created", "handed over", "cluster-scoped", "colon", "somebody else's", "not there", "no such kind"],
)
def test_an_object_that_is_there_is_adopted(
    inputs: Object, path: str, managers: list[tuple[str, str]], adopted: Adoption | None
) -> None:
    assert settle(Held({path: live(inputs, *managers)}), creation(inputs)) == adopted


def record(version: int, status: str) -> Object:
    labels = {"owner": "helm", "name": "homepage", "version": str(version), "status": status}
    name = f"sh.helm.release.v1.homepage.v{version}"
    return {"metadata": {"name": name, "namespace": "homepage", "labels": labels}}


@pytest.mark.parametrize("status", ["pending-install", "failed", "deployed"])
def test_a_release_that_was_being_installed_is_installed_again(status: str) -> None:
    cluster = Held({RECORDS: [record(1, status)]})
    assert settle(cluster, HOMEPAGE) is None
    assert cluster.items(RECORDS, "PartialObjectMetadataList") == []


@pytest.mark.parametrize(
    ("records", "left"),
    [
        ([record(10, "pending-upgrade"), record(9, "deployed")], [9]),
        ([record(1, "superseded"), record(2, "deployed"), record(3, "pending-rollback")], [1, 2]),
        ([record(1, "superseded"), record(2, "deployed")], [1, 2]),
        ([record(1, "deployed"), record(2, "failed")], [1, 2]),
        ([], []),
    ],
    ids=["an upgrade", "a rollback", "done", "failed", "gone"],
)
def test_a_release_that_was_being_upgraded_can_be_upgraded_again(records: list[Object], left: list[int]) -> None:
    cluster = Held({RECORDS: records})
    unblock(cluster, HOMEPAGE)
    found = cluster.items(RECORDS, "PartialObjectMetadataList")
    assert [int(one["metadata"]["labels"]["version"]) for one in found] == left
