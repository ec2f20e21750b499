"""Kubernetes objects as the plugin sees them: identity, annotations, generated names.

Annotation names and their meaning are pulumi-kubernetes'
(https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from lab.plugins.base import UNKNOWN
from lab.plugins.kubernetes.api import Object

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"
PATCH_FORCE: Final = "pulumi.com/patchForce"
FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"

READ_ONLY_METADATA: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)

# The SDK's property names of a CustomResourceDefinition cannot hold dashes.
_DASHED: Final = {
    f"x_kubernetes_{name}": f"x-kubernetes-{name.replace('_', '-')}"
    for name in (
        "embedded_resource",
        "int_or_string",
        "list_map_keys",
        "list_type",
        "map_type",
        "preserve_unknown_fields",
        "validations",
    )
}
_UNDERSCORED: Final = {dashed: name for name, dashed in _DASHED.items()}


def kind_of(token: str) -> tuple[str, str]:
    """(apiVersion, kind) of a type token: `kubernetes:core/v1:Pod` is `("v1", "Pod")`."""
    _, api_version, kind = token.split(":")
    return api_version.removeprefix("core/"), kind


def token_of(urn: str) -> str:
    """The resource's own type token, without its parents'."""
    return urn.split("::")[2].rpartition("$")[2]


def name_of(urn: str) -> str:
    """The resource's name in the program."""
    return urn.split("::", 3)[3]


def identifier(item: Object) -> str:
    """The resource id: `namespace/name`, or `name` outside of namespaces."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_identifier(id: str) -> tuple[str, str]:
    """(namespace, name) of a resource id."""
    namespace, _, name = id.rpartition("/")
    return namespace, name


def describe(item: Object) -> str:
    """For messages: `apps/v1 Deployment "web" in namespace "shop"`."""
    metadata = item["metadata"]
    place = f" in namespace {metadata['namespace']!r}" if metadata.get("namespace") else ""
    return f"{item['apiVersion']} {item['kind']} {metadata['name']!r}{place}"


def pluck(value: Any, *keys: str) -> Any:
    """The value at a path of keys; None where the path ends early."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def annotation(item: Mapping[str, Any], name: str) -> str:
    """An annotation's value; empty when it is absent or unknown."""
    value = pluck(item, "metadata", "annotations", name)
    return value if isinstance(value, str) else ""


def with_name(item: Object, olds: Object | None, urn: str) -> Object:
    """Give a generated name to an object that has none, or keep the one it was given before."""
    metadata = item["metadata"]
    name = metadata.get("name")
    if name or name is UNKNOWN:
        return item
    if olds and annotation(olds, AUTONAMED) == "true":
        name = olds["metadata"]["name"]
    elif olds:
        return item
    else:
        name = f"{name_of(urn)}-{secrets.token_hex(4)}"
    annotations = metadata.get("annotations")
    if annotations is not UNKNOWN:
        annotations = {**(annotations or {}), AUTONAMED: "true"}
    return {**item, "metadata": {**metadata, "name": name, "annotations": annotations}}


def without_read_only(item: Object) -> Object:
    """Drop the metadata that only the server writes."""
    if not isinstance(item.get("metadata"), dict):
        return item
    kept = {name: value for name, value in item["metadata"].items() if name not in READ_ONLY_METADATA}
    return {**item, "metadata": kept}


def to_server(value: Any) -> Any:
    """Property names of the SDK -> field names of the API; nulls are dropped."""
    return _renamed(value, _DASHED)


def from_server(value: Any) -> Any:
    """Field names of the API -> property names of the SDK."""
    return _renamed(value, _UNDERSCORED)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
