"""Plays the engine's part for one resource."""

from __future__ import annotations

from typing import Any

from lab.plugins.base import Call, Diff, Props
from lab.plugins.kubernetes import PLUGIN
from lab.plugins.kubernetes.provider import Provider


class Engine:
    """Does with one resource what the engine does, and keeps its state."""

    def __init__(self, token: str, provider: Provider, name: str = "res", timeout: float = 0.0) -> None:
        self.resource = PLUGIN.resource(token)
        self.call = Call(config=provider, urn=f"urn:pulumi:paris::oss-nextgen::{token}::{name}", timeout=timeout)
        self.inputs: Props = {}
        self.outputs: Props = {}
        self.id = ""

    def check(self, inputs: Props) -> Props:
        checked, failures = self.resource.check(inputs, self.inputs or None, self.call)
        assert not failures, failures
        return checked

    def create(self, inputs: Props) -> Props:
        self.inputs = self.check(inputs)
        self.id, self.outputs = self.resource.create(self.inputs, self.call)
        return self.outputs

    def diff(self, inputs: Props) -> Diff:
        return self.resource.diff(self.inputs, self.outputs, self.check(inputs), self.call)

    def update(self, inputs: Props) -> Props:
        checked = self.check(inputs)
        self.outputs = self.resource.update(self.id, self.outputs, self.inputs, checked, self.call)
        self.inputs = checked
        return self.outputs

    def refresh(self) -> bool:
        found = self.resource.read(self.id, self.inputs, self.outputs, self.call)
        if found is None:
            return False
        self.id, self.inputs, self.outputs = found
        return True

    def delete(self) -> None:
        self.resource.delete(self.id, self.outputs, self.call)


def containers(image: str = "app:1", **more: Any) -> list[dict[str, Any]]:
    return [{"name": "app", "image": image, **more}]
