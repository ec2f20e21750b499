"""What local and remote commands share: when which command runs, and what becomes of its output."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from lab.plugins.base import UNKNOWN, Call, Failure, Props, Resource, ResourceError

LOGGING: Final = ("stdout", "stderr", "stdoutAndStderr", "none")
PREVIOUS: Final = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: str
    """Empty for success, else what went wrong, such as `exit status 3`."""
    stdout: str
    stderr: str
    combined: str
    """Both, in the order in which they came."""

    def outputs(self, command: str) -> Props:
        """The outputs that a command leaves. Raises ResourceError, worded like the official one, if it failed."""
        if self.status:
            raise ResourceError(f"{self.status}: running {command!r}:\n{self.combined}")
        return {"stdout": self.stdout.removesuffix("\n"), "stderr": self.stderr.removesuffix("\n")}


class Logger:
    """Shows a command's output line by line, as the input `logging` says.

    Args:
        show: Takes one line.
        choice: Value of `logging`; both streams by default.
    """

    def __init__(self, show: Callable[[str], None], choice: str | None) -> None:
        self._show = show
        self._streams = {"none": (), "stdout": ("stdout",), "stderr": ("stderr",)}.get(choice or "", tuple(PREVIOUS))
        self._pending = dict.fromkeys(PREVIOUS, "")

    def feed(self, stream: str, text: str) -> None:
        """More output; shows the lines that it completes."""
        if stream in self._streams:
            *lines, self._pending[stream] = (self._pending[stream] + text).split("\n")
            for line in lines:
                self._show(line)

    def close(self) -> None:
        """Show what is left without an end of line."""
        for rest in filter(None, self._pending.values()):
            self._show(rest)


class Command(Resource):
    """A command with commands for its creation, update and deletion. `triggers` replace it."""

    inputs: ClassVar[Mapping[str, str]] = {
        "addPreviousOutputInEnv": "boolean",
        "create": "string",
        "delete": "string",
        "environment": "object",
        "logging": "string",
        "stdin": "string",
        "triggers": "array",
        "update": "string",
    }
    computed = frozenset({"stdout", "stderr"})
    replace_on = frozenset({"triggers"})

    @abstractmethod
    def execute(self, command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
        """Run one command to its end. Raises ResourceError if it could not be started."""

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        choice = inputs.get("logging")
        if isinstance(choice, str) and choice not in LOGGING:
            failures.append(Failure("logging", f"must be one of {', '.join(LOGGING)}, not {choice!r}"))
        environment = inputs.get("environment")
        if isinstance(environment, dict):
            failures += [
                Failure(f"environment.{name}", f"must be of type string, not {type(value).__name__}")
                for name, value in environment.items()
                if value is not UNKNOWN and not isinstance(value, str)
            ]
        return inputs, failures

    def preview_update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        return {**inputs_new, **dict.fromkeys(self.computed, UNKNOWN)}

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        name = call.urn.rpartition("::")[2]
        return f"{name}{secrets.token_hex(4)}", {**inputs, **self._run(inputs.get("create"), inputs, {}, call)}

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props]:
        if not outputs:
            raise ResourceError(f"{self.token} cannot be imported: a command has nothing to be read from")
        return id, inputs, outputs

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        command = inputs_new.get("update")
        if command is None:
            command = inputs_new.get("create")
        return {**inputs_new, **self._run(command, inputs_new, outputs_old, call)}

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        self._run(outputs.get("delete"), outputs, outputs, call)

    def _run(self, command: str | None, inputs: Props, previous: Props, call: Call) -> Props:
        outputs = {name: previous.get(name) or "" for name in PREVIOUS}
        if command is None:
            return outputs
        environment = dict(inputs.get("environment") or {})
        if inputs.get("addPreviousOutputInEnv") is not False:
            environment |= {PREVIOUS[name]: text for name, text in outputs.items() if text}
        return self.execute(command, inputs, environment, call).outputs(command)
