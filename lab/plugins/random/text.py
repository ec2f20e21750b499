"""RandomPassword and RandomString."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import ClassVar, Final

import bcrypt

from lab.plugins.base import UNKNOWN, Call, Failure, Props
from lab.plugins.random.drawn import Drawn

SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
BCRYPT_COST: Final = 10
BCRYPT_LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at; the official plugin cuts there as well."""

MINIMUMS: Final = ("minUpper", "minLower", "minNumeric", "minSpecial")
CLASSES: Final = ("upper", "lower", "numeric", "special")

_random = secrets.SystemRandom()


class RandomString(Drawn):
    """Text of a given length from chosen classes of characters."""

    token = "random:index/randomString:RandomString"
    inputs: ClassVar[Mapping[str, str]] = {
        "keepers": "object",
        "length": "integer",
        "overrideSpecial": "string",
        **dict.fromkeys((*CLASSES, "number"), "boolean"),
        **dict.fromkeys(MINIMUMS, "integer"),
    }
    required = frozenset({"length"})
    computed = frozenset({"result"})
    defaults: ClassVar[Props] = {**dict.fromkeys(CLASSES, True), **dict.fromkeys(MINIMUMS, 0)}

    def effective(self, inputs: Props) -> Props:
        filled = super().effective(inputs)
        if "number" in filled and "numeric" not in inputs:  # the deprecated name of `numeric`
            filled["numeric"] = filled["number"]
        return {**filled, "number": filled["numeric"]}

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        return inputs, failures or self._combinations(inputs)

    def _combinations(self, inputs: Props) -> list[Failure]:
        values = self.effective(inputs)
        failures = []
        if None not in (inputs.get("number"), inputs.get("numeric")) and inputs["number"] != inputs["numeric"]:
            failures.append(Failure("number", "must equal numeric, of which it is the deprecated name"))
        failures += [
            Failure(name, f"must be at least 0, not {values[name]}")
            for name in MINIMUMS
            if values[name] is not UNKNOWN and values[name] < 0
        ]
        if UNKNOWN in (*(values[name] for name in MINIMUMS), values["length"]):
            return failures
        least = max(1, sum(values[name] for name in MINIMUMS))
        if values["length"] < least:
            reason = f"must be at least {least} (1, and the sum of minUpper, minLower, minNumeric and minSpecial)"
            failures.append(Failure("length", f"{reason}, not {values['length']}"))
        if all(values[name] is False for name in CLASSES):
            failures.append(Failure("", "at least one of upper, lower, numeric and special must be true"))
        return failures

    def draw(self, inputs: Props) -> tuple[str, Props]:
        result = _text(inputs)
        return result, {**inputs, "result": result}

    def adopt(self, id: str) -> tuple[str, Props, Props]:
        inputs = self.effective({"length": len(id)})
        return id, inputs, {**inputs, "result": id}


class RandomPassword(RandomString):
    """Secret text, with its bcrypt hash (crypt's `$2a$`)."""

    token = "random:index/randomPassword:RandomPassword"
    computed = frozenset({"result", "bcryptHash"})
    secret_outputs = frozenset({"result", "bcryptHash"})

    def draw(self, inputs: Props) -> tuple[str, Props]:
        result, outputs = super().draw(inputs)
        # The official id: a password must not show in one.
        return "none", {**outputs, "bcryptHash": _hash(result)}

    def adopt(self, id: str) -> tuple[str, Props, Props]:
        result, inputs, outputs = super().adopt(id)
        return "none", inputs, {**outputs, "bcryptHash": _hash(result)}


def _text(inputs: Props) -> str:
    alphabets = dict(
        zip(CLASSES, (string.ascii_uppercase, string.ascii_lowercase, string.digits, SPECIAL), strict=True)
    )
    alphabets["special"] = inputs.get("overrideSpecial") or SPECIAL
    drawn = [
        character
        for name, minimum in zip(CLASSES, MINIMUMS, strict=True)
        for character in _random.choices(alphabets[name], k=inputs[minimum])
    ]
    allowed = "".join(alphabets[name] for name in CLASSES if inputs[name])
    drawn += _random.choices(allowed, k=inputs["length"] - len(drawn))
    _random.shuffle(drawn)
    return "".join(drawn)


def _hash(password: str) -> str:
    cut = password.encode()[:BCRYPT_LONGEST]
    return bcrypt.hashpw(cut, bcrypt.gensalt(BCRYPT_COST, prefix=b"2a")).decode()
