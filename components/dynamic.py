"""What the dynamic providers have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pulumi.dynamic import DiffResult, ResourceProvider


class Provider(ResourceProvider):
    """A provider without attributes: a state holds nothing of it but the path of its class, which is no secret.

    `diff` makes no network call, nor may what extends it.
    """

    serialize_as_secret_always = False
    INPUTS: ClassVar[Collection[str]] = ()
    """The inputs that the state keeps and `diff` compares. None: all that the program gives."""
    REPLACES: ClassVar[Collection[str]] = ()
    """Those whose change makes another resource."""

    def inputs(self, props: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `INPUTS`. A state that an earlier version wrote may lack one."""
        return {key: props[key] for key in self.INPUTS if key in props}

    def changed(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
        """Names of the inputs that differ from what the state has, but for the SDK's own (`__provider`)."""
        names = self.INPUTS or {key for key in news if not key.startswith("__")}
        return {key for key in names if olds.get(key) != news.get(key)}

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Any change is an update, but one of `REPLACES`."""
        changed = self.changed(olds, news)
        return DiffResult(changes=bool(changed), replaces=sorted(changed.intersection(self.REPLACES)))
