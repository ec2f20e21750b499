"""What a lab plugin is made of: resources, their diffs, their errors.

A plugin stands in for an official provider plugin. Its resources work on plain Python values: the
servicer (`lab.plugins.servicer`) does the gRPC, unwraps secrets before a resource sees them, wraps
them again in what it returns, and shows unknown values of a preview as `UNKNOWN`, nested ones too.
Whole numbers are `int`. Assets and archives never get here: they are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, Literal

Props = dict[str, Any]
"""Inputs or outputs of a resource, by property name."""


class Unknown(Enum):
    """The type of `UNKNOWN`. An enum member stays the same object through copies."""

    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Unknown.UNKNOWN
"""A value that a preview does not know yet. Compare with `is`."""


def contains_unknown(value: Any) -> bool:
    """Whether `value` is `UNKNOWN` or holds it at any depth."""
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


@dataclass(frozen=True)
class Failure:
    """An input that `check` refuses: the engine shows it before anything is changed."""

    property: str
    """Property path, such as `disks[0].size`; empty for the resource as a whole."""
    reason: str


class ResourceError(Exception):
    """An operation that failed. The message is shown to the user as it is, without a traceback."""


class PartialCreate(ResourceError):
    """The object exists but did not become ready: its id and outputs are kept in the state.

    Raised by `create`, and by `update` and `read` with the same meaning (the engine then tries an
    update at the next `up`).
    """

    def __init__(self, message: str, id: str, outputs: Props) -> None:
        super().__init__(message)
        self.id = id
        self.outputs = outputs


@dataclass(frozen=True)
class Change:
    """How one property differs."""

    kind: Literal["add", "delete", "update"]
    replace: bool = False


@dataclass(frozen=True)
class Diff:
    """What an update would do. No changes: nothing to do."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    """Property path, such as `disks[0].size` -> change."""
    delete_before_replace: bool = False


@dataclass
class Call:
    """The circumstances of one operation."""

    config: Any
    """What `Plugin.configure` returned for this provider instance."""
    urn: str
    timeout: float = 0.0
    """Seconds the user allows (`custom_timeouts`); 0 leaves it to the resource."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the engine gives up or goes away. Long waits watch it: `cancelled.wait(seconds)`."""
    log: Callable[[str], None] = lambda message: None
    """Shows a line of progress beside the resource."""


class Resource:
    """One resource type. Stateless: every method runs in a thread, many at once.

    `create`, `read`, `update` and `delete` raise `ResourceError` with the message for the user.
    """

    token: ClassVar[str]
    """Such as `random:index/randomPassword:RandomPassword`."""
    inputs: ClassVar[Mapping[str, str] | None] = None
    """Modelled inputs -> JSON Schema type (`string`, `integer`, `number`, `boolean`, `array`,
    `object`, `any`). `check` refuses others by name. None: anything goes."""
    required: ClassVar[frozenset[str]] = frozenset()
    """Inputs that `check` demands."""
    computed: ClassVar[frozenset[str]] = frozenset()
    """Outputs that only `create` knows."""
    secret_outputs: ClassVar[frozenset[str]] = frozenset()
    """Always secret, inputs of the same name included. An output named like a secret input is
    secret by itself."""
    secret_flow: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Output -> inputs; the output is secret as soon as one of these inputs holds a secret."""
    shown: ClassVar[frozenset[str]] = frozenset()
    """Parts of secret inputs, such as `connection.host`, that messages may show all the same."""
    replace_on: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change replaces the resource. `clone.vmId` names a nested one, in lists too."""
    delete_before_replace: ClassVar[bool] = False

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        """Validate the inputs and fill in defaults. No network. `olds` is None at first."""
        return inputs, validate(self.token, inputs, self.inputs, self.required)

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        """Compare the inputs, property by property. `inputs_new` may hold `UNKNOWN`."""
        return Diff(compare(inputs_old, inputs_new, self.replace_on), self.delete_before_replace)

    def preview_create(self, inputs: Props, call: Call) -> Props:
        """The outputs that `create` would return, as far as they are known."""
        return {**inputs, **dict.fromkeys(self.computed, UNKNOWN)}

    def preview_update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        """The outputs that `update` would return, as far as they are known."""
        kept = {name: value for name, value in outputs_old.items() if name not in inputs_old}
        return {**kept, **inputs_new}

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        """Make it. Returns its id and its outputs."""
        raise NotImplementedError

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        """Look at it. Returns (id, inputs, outputs), or None when it is gone.

        `inputs` and `outputs` are those of the state, both empty for an import.
        """
        raise NotImplementedError

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        """Change it in place. Returns its outputs."""
        raise NotImplementedError

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        """Remove it. One that is already gone is no error."""
        raise NotImplementedError


class Plugin:
    """One provider plugin: its configuration, resources and functions."""

    name: ClassVar[str]
    version: ClassVar[str]
    """Version of the official plugin that this one stands in for."""
    resources: ClassVar[Mapping[str, Resource]] = {}
    functions: ClassVar[Mapping[str, Callable[[Props, Call], Props]]] = {}
    """Invoke token -> function. A failure is a `ResourceError`."""
    json_config: ClassVar[frozenset[str]] = frozenset()
    """Configuration properties that are no strings: SDKs send them as JSON text, and the servicer
    decodes them before `check_config`, `diff_config` and `configure` see them."""

    def resource(self, token: str) -> Resource:
        """The resource of a type token. Raises ResourceError for one that is not modelled."""
        try:
            return self.resources[token]
        except KeyError:
            raise ResourceError(f"the lab's {self.name} plugin does not model {token}") from None

    def check_config(self, inputs: Props, olds: Props | None) -> tuple[Props, list[Failure]]:
        """Validate the provider's configuration. It may hold `UNKNOWN`."""
        return inputs, []

    def diff_config(self, inputs_old: Props, inputs_new: Props) -> Diff:
        """What a changed configuration does to the provider; replacing it replaces its resources."""
        return Diff(compare(inputs_old, inputs_new))

    def configure(self, args: Props) -> Any:
        """Returns what `Call.config` gives to this provider instance's operations."""
        return args


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "any": (object,),
}


def validate(token: str, values: Props, types: Mapping[str, str] | None, required: frozenset[str]) -> list[Failure]:
    """Refuse unknown names, wrong types and missing required values.

    Args:
        token: Resource type, for the messages.
        values: May hold `UNKNOWN`, which satisfies every type.
        types: Name -> JSON Schema type; None accepts every name.
        required: Names that must be there, and not null.
    """
    failures = [Failure(name, f"missing: {token} requires it") for name in sorted(required) if values.get(name) is None]
    if types is None:
        return failures
    for name, value in values.items():
        if name not in types:
            modelled = ", ".join(sorted(types)) or "none"
            failures.append(Failure(name, f"not an input that the lab models of {token}; it takes: {modelled}"))
        elif value is not None and value is not UNKNOWN and not _is(value, types[name]):
            failures.append(Failure(name, f"must be of type {types[name]}, not {type(value).__name__}"))
    return failures


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):  # bool is an int to Python, not to a schema
        return kind in {"boolean", "any"}
    return isinstance(value, _TYPES[kind])


def compare(old: Props, new: Props, replace_on: frozenset[str] = frozenset()) -> dict[str, Change]:
    """Every path that differs between two property maps.

    Null and absent are the same thing. A path replaces when it is, lies in or holds a name of
    `replace_on` (compared without list indexes, so that `disks.interface` matches `disks[0].interface`).
    """
    changes: dict[str, Change] = {}
    _walk("", "", old, new, replace_on, changes)
    return changes


def _walk(path: str, name: str, old: Any, new: Any, replace_on: frozenset[str], changes: dict[str, Change]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            child = _join(path, key)
            _walk(child, f"{name}.{key}" if name else key, old.get(key), new.get(key), replace_on, changes)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            _walk(f"{path}[{index}]", name, before, after, replace_on, changes)
    elif old != new or type(old) is not type(new):
        replace = any(_within(name, entry) or _within(entry, name) for entry in replace_on)
        changes[path] = Change("add" if old is None else "delete" if new is None else "update", replace)


def _join(path: str, key: str) -> str:
    """Pulumi's property path syntax: keys that are not plain names go in brackets."""
    if not key.replace("_", "a").replace("-", "a").isalnum():
        escaped = key.replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def _within(name: str, outer: str) -> bool:
    return name == outer or name.startswith(f"{outer}.")
