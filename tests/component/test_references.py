"""Every way in which a reference to another stack can be broken, each once, and what a person then reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest
from typing_extensions import TypedDict

from components.references import Reference, ReferenceProblem

OUTPUTS = {
    "schemaVersion": 2.0,
    "port": 53.0,
    "password": "s3cret",
    "server": {"address": "10.75.20.101", "port": 53.0},
}
SECRETS = ["password"]


class Server(TypedDict):
    address: str
    port: int


class Stacks(pulumi.runtime.Mocks):
    """An engine that knows one stack, `backup`."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.outputs = outputs

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        assert args.typ == "pulumi:pulumi:StackReference"
        return args.name, {**args.inputs, "outputs": self.outputs, "secretOutputNames": SECRETS}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        assert args.token == "pulumi:pulumi:readStackOutputs"
        if not args.args["name"].endswith("/oss-nextgen/backup"):
            raise ValueError(f'unknown stack "{args.args["name"]}"')
        return {"name": args.args["name"], "outputs": self.outputs, "secretOutputNames": SECRETS}, []


def reference(stack: str = "backup", **changes: Any) -> Reference:
    outputs = {key: value for key, value in {**OUTPUTS, **changes}.items() if value is not None}
    pulumi.runtime.set_mocks(Stacks(outputs), project="oss-nextgen", stack="paris")
    return Reference(stack, 2)


@dataclass(frozen=True)
class Case:
    """A rule, what breaks it, and parts of the message."""

    rule: str
    read: Callable[[], object]
    says: tuple[str, ...]


CASES = [
    Case(
        "missing-stack",
        lambda: reference("backup2"),
        ("no stack", "/oss-nextgen/backup2:", "pulumi up -s backup2"),
    ),
    Case(
        "missing-output", lambda: reference().plain("backup", str), ("output backup", "missing", "pulumi up -s backup")
    ),
    Case(
        "older-schema", lambda: reference(schemaVersion=1.0), ("schemaVersion", "is 1", "for 2", "pulumi up -s backup")
    ),
    Case("newer-schema", lambda: reference(schemaVersion=3.0), ("schemaVersion", "is 3", "knows 2", "newer version")),
    Case(
        "wrong-type",
        lambda: reference(server={"address": "10.75.20.101", "port": "53"}).plain("server", Server),
        ("output server", "server.port", "valid integer"),
    ),
    Case(
        "secret-as-plain", lambda: reference().plain("password", str), ("password", "is a secret", "secret('password')")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    with pytest.raises(ReferenceProblem) as broken:
        case.read()

    assert broken.value.rule == case.rule
    assert all(part in str(broken.value) for part in case.says), str(broken.value)
    assert "s3cret" not in str(broken.value)


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


def test_a_stack_without_a_version_is_none_of_ours() -> None:
    with pytest.raises(ReferenceProblem, match="output schemaVersion of the stack backup is missing"):
        reference(schemaVersion=None)


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ReferenceProblem, match=r"password: Input should be a valid integer") as broken:
        reference().secret("password", int)
    assert "s3cret" not in str(broken.value)


@pulumi.runtime.test
def test_what_is_right_is_handed_over() -> pulumi.Output[None]:
    outputs = reference()
    port, server, password = (
        outputs.plain("port", int),
        outputs.plain("server", Server),
        outputs.secret("password", str),
    )

    async def check() -> None:
        assert (await port.future(), await port.is_secret()) == (53, False)
        assert (await server.future(), await server.is_secret()) == ({"address": "10.75.20.101", "port": 53}, False)
        assert (await password.future(), await password.is_secret()) == ("s3cret", True)

    return pulumi.Output.from_input(check())
