"""RandomId and RandomUuid."""

from __future__ import annotations

import base64
import binascii
import secrets
import uuid
from collections.abc import Mapping
from typing import ClassVar

from lab.plugins.base import UNKNOWN, Call, Failure, Props, ResourceError
from lab.plugins.random.drawn import Drawn


class RandomId(Drawn):
    """Random bytes in several notations. Imported by `[prefix,]base64url`."""

    token = "random:index/randomId:RandomId"
    inputs: ClassVar[Mapping[str, str]] = {"byteLength": "integer", "keepers": "object", "prefix": "string"}
    required = frozenset({"byteLength"})
    computed = frozenset({"b64Std", "b64Url", "dec", "hex"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        if not failures and inputs["byteLength"] is not UNKNOWN and inputs["byteLength"] < 1:
            failures = [Failure("byteLength", f"must be at least 1, not {inputs['byteLength']}")]
        return inputs, failures

    def draw(self, inputs: Props) -> tuple[str, Props]:
        return _notations(secrets.token_bytes(inputs["byteLength"]), inputs)

    def adopt(self, id: str) -> tuple[str, Props, Props]:
        prefix, _, text = id.rpartition(",")
        try:
            drawn = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise ResourceError("RandomId is imported by [prefix,]id with the id in base64url") from None
        inputs: Props = {"byteLength": len(drawn), **({"prefix": prefix} if prefix else {})}
        name, outputs = _notations(drawn, inputs)
        return name, inputs, outputs


def _notations(drawn: bytes, inputs: Props) -> tuple[str, Props]:
    prefix = inputs.get("prefix") or ""
    id = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
    return id, {
        **inputs,
        "b64Url": prefix + id,
        "b64Std": prefix + base64.b64encode(drawn).decode(),
        "hex": prefix + drawn.hex(),
        "dec": prefix + str(int.from_bytes(drawn, "big")),
    }


class RandomUuid(Drawn):
    """A version 4 UUID. Imported by itself."""

    token = "random:index/randomUuid:RandomUuid"
    inputs: ClassVar[Mapping[str, str]] = {"keepers": "object"}
    computed = frozenset({"result"})

    def draw(self, inputs: Props) -> tuple[str, Props]:
        result = str(uuid.uuid4())
        return result, {**inputs, "result": result}

    def adopt(self, id: str) -> tuple[str, Props, Props]:
        try:
            result = str(uuid.UUID(id))
        except ValueError:
            raise ResourceError(f"RandomUuid is imported by a UUID, which {id!r} is not") from None
        return result, {}, {"result": result}
