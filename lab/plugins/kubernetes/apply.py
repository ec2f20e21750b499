"""Writes objects: creation, server-side apply, deletion.

Like pulumi-kubernetes, an object is created with a plain request, so that one that already exists
is an error. Later changes are server-side applied
(https://kubernetes.io/docs/reference/using-api/server-side-apply/) by a field manager of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from lab.plugins.base import Call, ResourceError
from lab.plugins.kubernetes.api import APPLY, JSON_PATCH, Api, ApiError, NoSuchKind, Object
from lab.plugins.kubernetes.objects import FIELD_MANAGER, PROPAGATION, annotation, describe

CREATOR: Final = "pulumi-kubernetes"
"""Field manager of creations. Its fields pass to the object's own manager right afterwards."""

_HANDED_OVER: Final = (
    (CREATOR, "Update"),
    ("before-first-apply", "Update"),
    ("kubectl", "Update"),
    ("kubectl", "Apply"),
)
"""Prefixes of managers, and how they wrote, whose fields pass to the object's own manager."""

_VERSION_CONFLICTS: Final = 5
_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_CONFLICTS: Final = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/"
    "#handle-field-conflicts-on-existing-resources"
)
_EXISTS: Final = """
The resource already exists in the cluster. This can happen when:
  - a Pulumi resource was renamed: keep its identity with an alias, or delete it before its replacement
  - it is managed by something else
  - it should be adopted: use `pulumi import`
  - it should be taken over: set upsertExistingObjects on the provider"""


def field_manager(item: Object, outputs: Mapping[str, Any]) -> str:
    """The object's field manager: the annotation's, the state's, or a new one."""
    known = annotation(item, FIELD_MANAGER) or outputs.get("__fieldManager")
    return str(known) if known else f"{CREATOR}-{secrets.token_hex(4)}"


def location(api: Api, item: Object) -> str:
    """URL path of the object."""
    metadata = item["metadata"]
    return api.served(item["apiVersion"], item["kind"]).path(metadata.get("namespace") or "", metadata["name"])


def create(api: Api, item: Object, manager: str, *, upsert: bool, dry_run: bool, call: Call) -> Object:
    """Create an object, or with `upsert` apply it over an existing one.

    A missing namespace or kind is waited for a little: whatever makes it may still be under way.
    A dry run does not wait.

    Raises:
        ApiError: when the server refuses.
        NoSuchKind: when it does not serve such a kind.
    """
    delays = iter(() if dry_run else _RETRY_SECONDS)
    while True:
        try:
            if upsert:
                return apply(api, item, manager, force=False, dry_run=dry_run)
            collection = api.served(item["apiVersion"], item["kind"]).path(item["metadata"].get("namespace") or "")
            return api.post(collection, item, fieldManager=CREATOR, **_dry(dry_run))
        except (ApiError, NoSuchKind) as error:
            delay = next(delays, None)
            if delay is None or (isinstance(error, ApiError) and error.code != 404):
                raise
            call.log(f"not created yet, trying again: {error}")
            if call.cancelled.wait(delay):
                raise


def apply(api: Api, item: Object, manager: str, *, force: bool, dry_run: bool) -> Object:
    """Server-side apply."""
    options = {"fieldManager": manager, "force": str(force).lower(), **_dry(dry_run)}
    return api.patch(location(api, item), item, APPLY, **options)


def replace(api: Api, item: Object, *, dry_run: bool) -> Object:
    """Put a whole object in the place of its live version: how a CustomResourceDefinition is updated."""
    version = api.get(location(api, item))["metadata"]["resourceVersion"]
    body = {**item, "metadata": {**item["metadata"], "resourceVersion": version}}
    return api.put(location(api, item), body, fieldManager=CREATOR, **_dry(dry_run))


def hand_over(api: Api, live: Object, manager: str) -> Object:
    """Give an object's fields, still held by its creator, to the manager that applies from now on.

    Otherwise a field that the program drops would stay, because its creator still holds it.

    Returns:
        The live object afterwards.
    """
    path = location(api, live)
    for attempt in range(_VERSION_CONFLICTS):
        patch = _takeover(live["metadata"], manager)
        try:
            return api.patch(path, patch, JSON_PATCH) if patch else live
        except ApiError as error:  # a controller wrote in between
            if error.code != 409 or attempt == _VERSION_CONFLICTS - 1:
                raise
        live = api.get(path)
    return live


def held_by_others(live: Object, manager: str) -> bool:
    """Whether `hand_over` has anything to hand over."""
    return bool(_takeover(live["metadata"], manager))


def _takeover(metadata: Mapping[str, Any], manager: str) -> list[dict[str, Any]]:
    """The JSON patch that merges what others held into the manager's own entry; empty when they hold nothing."""
    entries = metadata.get("managedFields") or []
    taken = [entry for entry in entries if _handed_over(entry)]
    if not taken:
        return []
    own = [entry for entry in entries if entry["manager"] == manager and entry["operation"] == "Apply"]
    fields: dict[str, Any] = {}
    for entry in [*own, *taken]:
        fields = _union(fields, entry.get("fieldsV1") or {})
    merged = {**taken[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry not in taken and entry not in own]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
    ]


def delete(api: Api, path: str, item: Mapping[str, Any]) -> Object:
    """Ask for a deletion that waits for the object's dependents, unless its annotation says otherwise."""
    policy = {"orphan": "Orphan", "background": "Background"}.get(annotation(item, PROPAGATION).lower(), "Foreground")
    return api.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})


def refusal(action: str, urn: str, item: Object, error: ApiError | NoSuchKind, manager: str) -> ResourceError:
    """The message for what the server refused."""
    if isinstance(error, NoSuchKind):
        problem = (
            f"{action} of resource {urn!r} failed because the Kubernetes API server reported that the apiVersion "
            f"for this resource does not exist. Verify that any required CRDs have been created: {error}"
        )
    elif error.reason == "AlreadyExists":
        problem = f"resource {urn!r} was not successfully created by the Kubernetes API server: {error}\n{_EXISTS}"
    elif error.field_conflict:
        problem = (
            f"server-side apply field conflict detected, see {_CONFLICTS} for troubleshooting help\n"
            f"The resource managed by field manager {manager!r} had an apply conflict: {error}"
        )
    else:
        problem = f"{action} of resource {urn!r} ({describe(item)}) was refused by the Kubernetes API server: {error}"
    return ResourceError(problem)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _handed_over(entry: Mapping[str, Any]) -> bool:
    known = any(entry["manager"].startswith(name) and entry["operation"] == by for name, by in _HANDED_OVER)
    return known and not entry.get("subresource")


def _union(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, item in second.items():
        merged[key] = _union(merged[key], item) if isinstance(merged.get(key), dict) else item
    return merged
