"""What a run that was cut short has left on a Kubernetes cluster."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from ci.nouns import RELEASE
from recovery.state import Adoption, Pending
from verify.cluster import Cluster, Object

MANAGER: Final = "pulumi-kubernetes"
"""Prefix of the field managers of the provider."""
RECORDS: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Labels are enough of Helm's records, which hold secrets and take up to a MiB each."""


def settle(cluster: Cluster, creation: Pending) -> Adoption | None:
    """Settle one creation that was cut short. Returns what to adopt, or None to forget it.

    The provider creates an object that it does not know, and one that is there already is an error. Helm refuses to
    install under a name that it has a record of, whatever the record says; without it, it takes over the objects of
    the release by their labels and annotations (`existingResourceConflict` of its package action).

    Raises:
        CheckFailed: the cluster refused or could not be reached.
    """
    if creation.type == RELEASE:
        for record in _records(cluster, creation.inputs):
            _remove(cluster, record, "it was being installed")
        return None
    found = _find(cluster, creation.inputs)
    if found is None:
        return None
    metadata = found["metadata"]
    managers = [one for one in metadata.get("managedFields", ()) if one["manager"].startswith(MANAGER)]
    if not managers:
        return None  # somebody else's: the next run says that it is in the way
    namespace, name = metadata.get("namespace"), metadata["name"]
    # Under a manager of another name, the first change of its fields would be a conflict.
    applied = [one["manager"] for one in managers if one["operation"] == "Apply"]
    return Adoption(f"{namespace}/{name}" if namespace else name, {"__fieldManager": applied[0]} if applied else {})


def unblock(cluster: Cluster, change: Pending) -> None:
    """Remove Helm's record of an upgrade that was cut short, which is in the way of every other one.

    Raises:
        CheckFailed: the cluster refused or could not be reached.
    """
    records = _records(cluster, change.inputs)
    if records and records[-1]["metadata"]["labels"]["status"].startswith("pending-"):
        _remove(cluster, records[-1], "it was being upgraded")


def _records(cluster: Cluster, release: dict[str, Any]) -> list[Object]:
    """Metadata of the Secrets that Helm keeps of a release's revisions, oldest first."""
    selector = urlencode({"labelSelector": f"owner=helm,name={release['name']}"})
    found = cluster.items(f"/api/v1/namespaces/{release['namespace']}/secrets?{selector}", RECORDS)
    return sorted(found, key=lambda record: int(record["metadata"]["labels"]["version"]))


def _remove(cluster: Cluster, record: Object, why: str) -> None:
    metadata = record["metadata"]
    labels = metadata["labels"]
    print(f"removing Helm's record {labels['version']} ({labels['status']}) of {labels['name']}: {why}", flush=True)
    cluster.delete(f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}")


def _find(cluster: Cluster, inputs: dict[str, Any]) -> Object | None:
    """The live object of a resource's inputs."""
    version, metadata = inputs["apiVersion"], inputs["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    served = cluster.find(root) or {"resources": []}  # without its definition, there is no custom object either
    for kind in served["resources"]:
        if kind["kind"] == inputs["kind"] and "/" not in kind["name"]:
            place = f"/namespaces/{metadata.get('namespace', 'default')}" if kind["namespaced"] else ""
            return cluster.find(f"{root}{place}/{kind['name']}/{quote(metadata['name'])}")
    return None
