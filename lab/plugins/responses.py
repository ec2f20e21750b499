"""What a plugin answered, as the engine's provider protocol says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.plugins import wire
from lab.plugins.base import Change, Diff, Failure, Props, Resource


@dataclass(frozen=True)
class Status(grpc.Status):
    """An error with details: what `ServicerContext.abort_with_status` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def init_failed(id: str, values: struct_pb2.Struct, inputs: struct_pb2.Struct, message: str) -> Status:
    """The error that makes the engine keep a resource that exists but is not ready."""
    detail = provider_pb2.ErrorResourceInitFailed(id=id, properties=values, inputs=inputs, reasons=[message])
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    return Status(grpc.StatusCode.UNKNOWN, message, (("grpc-status-details-bin", status.SerializeToString()),))


def outputs(resource: Resource, values: Props, *secrets: wire.Secrets) -> struct_pb2.Struct:
    """Outputs with everything secret marked: always, by the input of the same name, or by `secret_flow`."""
    marks = wire.whole(resource.secret_outputs)
    for tree in secrets:
        marks = wire.merge(marks, wire.widen(tree))
        sources = tree.keys() if isinstance(tree, dict) else ()
        flow = (name for name, inputs in resource.secret_flow.items() if not inputs.isdisjoint(sources))
        marks = wire.merge(marks, wire.whole(flow))
    return wire.encode_map(values, marks)


def failures(
    found: Iterable[Failure], secrets: wire.Secrets, redact: Callable[[str], str]
) -> list[provider_pb2.CheckFailure]:
    """Failures of a check.

    The engine shows the value of the property that a failure names, even that of a secret one; so
    failures of secret properties name them in their reason.
    """
    hidden = secrets.keys() if isinstance(secrets, dict) else ()
    return [
        provider_pb2.CheckFailure(reason=redact(f"{failure.property}: {failure.reason}"))
        if _top(failure.property) in hidden
        else provider_pb2.CheckFailure(property=failure.property, reason=redact(failure.reason))
        for failure in found
    ]


def diff(result: Diff, olds: Props, news: Props) -> provider_pb2.DiffResponse:
    inputs = olds.keys() | news.keys()
    detailed = {path: _property_diff(change, _top(path) in inputs) for path, change in result.changes.items()}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if result.changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({_top(path) for path in result.changes}),
        replaces=sorted({_top(path) for path, change in result.changes.items() if change.replace}),
        deleteBeforeReplace=result.delete_before_replace,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def _property_diff(change: Change, is_input: bool) -> provider_pb2.PropertyDiff:
    kinds: Mapping[tuple[str, bool], Any] = {
        ("add", False): provider_pb2.PropertyDiff.ADD,
        ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
        ("delete", False): provider_pb2.PropertyDiff.DELETE,
        ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
        ("update", False): provider_pb2.PropertyDiff.UPDATE,
        ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    }
    return provider_pb2.PropertyDiff(kind=kinds[change.kind, change.replace], inputDiff=is_input)


def _top(path: str) -> str:
    """The property that a path lies in."""
    return path.split(".")[0].split("[")[0]
