"""Property values on the wire: protobuf structs to plain Python and back, secrets kept apart.

The signatures and the marks of unknown values are the engine's
(github.com/pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go and resource/sig).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

from lab.plugins.base import UNKNOWN, Props, ResourceError

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN_VALUE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_VALUES: Final = frozenset(
    {
        UNKNOWN_VALUE,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""Unknown string, boolean, number, array and object."""

LARGEST_EXACT: Final = 2**53
"""Numbers travel as doubles: whole ones are exact up to here."""

REDACTED: Final = "[secret]"
SHORTEST_REDACTED: Final = 4
"""Shorter secrets are left alone in messages: hiding them would hide the message."""

Secrets = bool | dict[str | int, Any]
"""Where a value is secret: True, False, or by key or index."""


def decode_map(struct: struct_pb2.Struct) -> tuple[Props, dict[str | int, Secrets]]:
    """Plain values of a property map, and which of them are secret.

    Raises:
        ResourceError: for assets, archives and resource references, which no lab plugin takes.
    """
    values: Props = {}
    secrets: dict[str | int, Secrets] = {}
    for key, item in struct.fields.items():
        values[key], secret = _decode(item, key)
        if secret:
            secrets[key] = secret
    return values, secrets


def _decode(value: struct_pb2.Value, path: str) -> tuple[Any, Secrets]:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return (UNKNOWN if value.string_value in UNKNOWN_VALUES else value.string_value), False
    if kind == "number_value":
        return _number(value.number_value), False
    if kind == "bool_value":
        return value.bool_value, False
    if kind == "list_value":
        return _decode_list(value.list_value, path)
    if kind == "struct_value":
        return _decode_struct(value.struct_value, path)
    return None, False


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= LARGEST_EXACT else value


def _decode_list(items: struct_pb2.ListValue, path: str) -> tuple[list[Any], Secrets]:
    decoded = [_decode(item, f"{path}[{index}]") for index, item in enumerate(items.values)]
    return [item for item, _ in decoded], {index: secret for index, (_, secret) in enumerate(decoded) if secret}


def _decode_struct(struct: struct_pb2.Struct, path: str) -> tuple[Any, Secrets]:
    if SIGNATURE not in struct.fields:
        return decode_map(struct)
    if struct.fields[SIGNATURE].string_value == SECRET:
        value, _ = _decode(struct.fields["value"], path)
        return value, True
    raise ResourceError(f"{path}: the lab's plugins take no assets, archives or resource references")


def encode_map(values: Mapping[str, Any], secrets: Secrets = False) -> struct_pb2.Struct:
    """The property map of plain values, those that `secrets` names wrapped as secrets."""
    return struct_pb2.Struct(fields={key: encode(item, _at(secrets, key)) for key, item in values.items()})


def encode(value: Any, secrets: Secrets = False) -> struct_pb2.Value:
    """One value. A place that `secrets` names inside something that is not a container any more
    makes the whole value secret."""
    if secrets is True or (secrets and not isinstance(value, dict | list)):
        fields = {SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": encode(value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=UNKNOWN_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=encode_map(value, secrets))
    if isinstance(value, list):
        items = [encode(item, _at(secrets, index)) for index, item in enumerate(value)]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
    raise TypeError(f"a property cannot be a {type(value).__name__}")


def _at(secrets: Secrets, key: str | int) -> Secrets:
    return secrets.get(key, False) if isinstance(secrets, dict) else secrets


def whole(names: Iterable[str]) -> Secrets:
    """These properties, each as a whole."""
    return dict.fromkeys(names, True)


def merge(first: Secrets, second: Secrets) -> Secrets:
    """Secret where either is."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {key: merge(first.get(key, False), second.get(key, False)) for key in first.keys() | second.keys()}
    return first is True or second is True or first or second


def widen(secrets: Secrets) -> Secrets:
    """The same, with lists secret as a whole: a resource may return its lists in another order."""
    if not isinstance(secrets, dict):
        return secrets
    if any(isinstance(key, int) for key in secrets):
        return True
    return {key: widen(item) for key, item in secrets.items()}


def secret_texts(value: Any, secrets: Secrets, shown: frozenset[str] = frozenset(), path: str = "") -> Iterable[str]:
    """Every text that `secrets` names within `value` but not in `shown`, and every line of the long ones."""
    if not secrets or path in shown:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from secret_texts(item, _at(secrets, key), shown, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secret_texts(item, _at(secrets, index), shown, path)
    elif isinstance(value, str):
        yield value
        yield from value.splitlines()


def redact(message: str, texts: Iterable[str]) -> str:
    """`message` without the secret texts."""
    for text in sorted({text.strip() for text in texts}, key=len, reverse=True):
        if len(text) >= SHORTEST_REDACTED:
            message = message.replace(text, REDACTED)
    return message
