"""What an exported state tells of a run that was cut short, and how it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ci.nouns import RELEASE

CUT_SHORT: Final = "its creation was cut short"

Deployment = dict[str, Any]
"""What `pulumi stack export` calls so."""


class RecoveryError(Exception):
    """Something that a person has to look at."""


@dataclass(frozen=True)
class Pending:
    """An operation that was cut short."""

    urn: str
    type: str
    inputs: dict[str, Any]
    provider: str = ""
    """URN and id of the provider, as the state refers to it."""


@dataclass(frozen=True)
class Adoption:
    """What is there of a resource whose creation was cut short."""

    id: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Those that its provider needs to look at it, beside the inputs."""


def pending(deployment: Deployment, kind: str) -> list[Pending]:
    """The operations of one kind (`creating`, `updating`, ...) that were cut short."""
    return [
        Pending(resource["urn"], resource["type"], resource.get("inputs", {}), resource.get("provider", ""))
        for operation in deployment.get("pending_operations", [])
        if operation["type"] == kind
        for resource in [operation["resource"]]
    ]


def cut_short(deployment: Deployment) -> list[str]:
    """URNs of what was there and was being changed or removed: only a look at the real thing tells what came of it."""
    operations = deployment.get("pending_operations", [])
    return [operation["resource"]["urn"] for operation in operations if operation["type"] != "creating"]


def half_made(deployment: Deployment) -> list[str]:
    """URNs of what exists and was not finished: only a look at the real thing tells what it still needs."""
    return [one["urn"] for one in _unfinished(deployment) if one["type"] != RELEASE]


def failed_releases(deployment: Deployment) -> list[str]:
    """URNs of the Helm releases that failed, which must not be looked at.

    Their provider reads a failed release without an error. The engine would take it for well, and not apply again
    what has not been applied.
    """
    return [one["urn"] for one in _unfinished(deployment) if one["type"] == RELEASE]


def _unfinished(deployment: Deployment) -> list[dict[str, Any]]:
    return [resource for resource in deployment.get("resources", []) if resource.get("initErrors")]


def kubeconfig(deployment: Deployment, provider: str) -> str:
    """What a provider reaches its cluster with.

    Raises:
        RecoveryError: the state has no such provider.
    """
    for one in deployment.get("resources", []):
        if f"{one['urn']}::{one.get('id')}" == provider:
            return str(one["inputs"].get("kubeconfig", ""))
    raise RecoveryError(f"the state does not hold the provider {provider}")


def with_adopted(deployment: Deployment, adoptions: Mapping[str, Adoption]) -> Deployment:
    """A deployment without pending operations, in which creations that were cut short have come true.

    The engine's own way, `pulumi refresh --import-pending-creates`, forgets them: up to 3.250 it notes an import that
    nothing carries out. Here they keep the inputs of the program, so that the next run has nothing to replace. Each is
    marked as not finished: whatever becomes of this run, it is looked at again.

    Args:
        deployment: Its secrets may be encrypted.
        adoptions: By URN.
    """
    resources: list[dict[str, Any]] = list(deployment.get("resources", []))
    for operation in deployment["pending_operations"]:
        adoption = adoptions.get(operation["resource"]["urn"])
        if operation["type"] != "creating" or adoption is None:
            continue
        made = {**operation["resource"], "id": adoption.id, "initErrors": [CUT_SHORT]}
        made["outputs"] = {**made.get("inputs", {}), **adoption.outputs}
        # What depends on it comes after it in the state: it takes the place of the one that it replaces.
        at = next((i for i, one in enumerate(resources) if one["urn"] == made["urn"] and not one.get("delete")), None)
        if at is None:
            resources.append(made)
        elif resources[at].get("pendingReplacement"):  # that one is deleted already
            resources[at] = made
        else:
            resources[at : at + 1] = [made, {**resources[at], "delete": True}]
    return {**deployment, "resources": resources, "pending_operations": []}
