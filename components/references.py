"""Reading the outputs of another stack: what is there, of the type that is expected, and secret where it is.

A `StackReference` alone answers a missing stack with the engine's `unknown stack`, in the middle of a run, and hands
over whatever is there. Here the outputs are read and checked before anything is declared, and each way in which a
reference can be broken is a rule of its own, whose message says what to do.
"""

from __future__ import annotations

from typing import Any, TypeVar

import pulumi
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
VERSION_KEY = "schemaVersion"
"""Output that says which version of its contract a stack fulfils."""


class ReferenceProblem(pulumi.RunError):
    """A reference to another stack that cannot be used. The engine prints a `RunError` without a traceback.

    Args:
        rule: Which way it is broken, for tests and for searching in the documentation.
        text: What is wrong, and what to do.
    """

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        super().__init__(text)


class Reference:
    """The outputs of another stack of the same organization and backend.

    Args:
        stack: Its name.
        version: Of the contract that the caller is written for.
        project: The project of the stack; None: the running program's.

    Raises:
        ReferenceProblem: there is no such stack, or it fulfils another version of the contract.
    """

    def __init__(self, stack: str, version: int, project: str | None = None) -> None:
        self._stack = stack
        self._remedy = f"bring it up first: pulumi up -s {stack}"
        name = f"{pulumi.get_organization()}/{project or pulumi.get_project()}/{stack}"
        found = self._read(name)
        self._values: dict[str, Any] = _whole(found["outputs"])
        self._secrets = set(found["secretOutputNames"])
        self._check_version(version)
        self._reference = pulumi.StackReference(name)

    def plain(self, key: str, type_: type[T]) -> pulumi.Output[T]:
        """An output that anyone may see. Previews know it as well.

        Args:
            key: Its name.
            type_: What it must be, as pydantic checks it strictly.

        Raises:
            ReferenceProblem: there is no such output, or it is of another type, or a secret.
        """
        self._check(key, type_)
        if key in self._secrets:
            raise self._broken("secret-as-plain", key, f"is a secret: read it with secret({key!r})")
        return self._reference.require_output(key).apply(_whole)

    def secret(self, key: str, type_: type[T]) -> pulumi.Output[T]:
        """An output that stays a secret, or becomes one. See `plain`."""
        self._check(key, type_)
        return pulumi.Output.secret(self._reference.require_output(key).apply(_whole))

    def _read(self, name: str) -> dict[str, Any]:
        try:
            # What a StackReference asks the engine for, but here the answer can be looked at.
            found: dict[str, Any] = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value
        except Exception as error:
            if "unknown stack" not in str(error):
                raise
            raise ReferenceProblem("missing-stack", f"There is no stack {name}: {self._remedy}") from None
        return found

    def _check_version(self, version: int) -> None:
        found = self._check(VERSION_KEY, int)
        if found < version:
            text = f"is {found}, and this program is written for {version}: {self._remedy}"
            raise self._broken("older-schema", VERSION_KEY, text)
        if found > version:
            text = f"is {found}, and this program knows {version}: use a newer version of the program"
            raise self._broken("newer-schema", VERSION_KEY, text)

    def _check(self, key: str, type_: type[T]) -> T:
        if key not in self._values:
            raise self._broken("missing-output", key, f"is missing: {self._remedy}")
        try:
            return TypeAdapter(type_).validate_python(self._values[key], strict=True)
        except ValidationError as error:
            # Values stay out of the message: they may be secrets.
            problems = [
                f"{'.'.join(map(str, (key, *each['loc'])))}: {each['msg']}"
                for each in error.errors(include_input=False)
            ]
            text = f"is not what this program expects ({'; '.join(problems)}): {self._remedy}"
            raise self._broken("wrong-type", key, text) from None

    def _broken(self, rule: str, key: str, text: str) -> ReferenceProblem:
        return ReferenceProblem(rule, f"The output {key} of the stack {self._stack} {text}.")


def _whole(value: Any) -> Any:
    """The engine's numbers are all floating; those of a contract mostly are not."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
