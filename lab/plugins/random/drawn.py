"""What all random resources share: a value drawn once, kept in the state, drawn again by a replacement."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from lab.plugins.base import Call, Diff, Props, Resource, compare


class Drawn(Resource):
    """A random value. Every input that changes replaces it."""

    @abstractmethod
    def draw(self, inputs: Props) -> tuple[str, Props]:
        """Id and outputs of a new value, defaults included."""

    @abstractmethod
    def adopt(self, id: str) -> tuple[str, Props, Props]:
        """Id, inputs and outputs of the value that an import id stands for."""

    defaults: ClassVar[Props] = {}
    """Inputs that the official plugin fills in; giving one explicitly changes nothing."""

    def effective(self, inputs: Props) -> Props:
        """The inputs with defaults; null and empty keepers keep nothing."""
        given = {name: value for name, value in inputs.items() if value is not None and value != {}}
        return {**self.defaults, **given}

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        old, new = self.effective(inputs_old), self.effective(inputs_new)
        return Diff(compare(old, new, frozenset(old) | frozenset(new)))

    def preview_create(self, inputs: Props, call: Call) -> Props:
        return super().preview_create(self.effective(inputs), call)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        return self.draw(self.effective(inputs))

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props]:
        return (id, inputs, outputs) if outputs else self.adopt(id)

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        """The value lives in the state only."""
