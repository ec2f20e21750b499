"""What `pulumi preview --json` prints, as a typed set of changes.

The engine lists a step for each resource that changes, with its state before and after, and the numbers of all
others; secrets stand there as `[secret]`. A dynamic provider explains no difference, so that it is told from the
inputs here, for all resources alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from ci import nouns
from ci.nouns import Noun


class PreviewError(Exception):
    """The engine printed something that this version does not know."""


class Kind(StrEnum):
    """What happens to a resource, in the order of a table's columns."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


KINDS: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind} | {"import": Kind.CREATE}
UNCHANGED: Final = frozenset({"same", "refresh", "read", "discard", "remove-pending-replace"})
"""The last two take from the state what is not there any more."""
HALVES: Final = frozenset(
    {"create-replacement", "import-replacement", "read-replacement", "delete-replaced", "discard-replaced"}
)
"""Of a replacement, which has a step of its own."""

SAYING: Final[Mapping[str, tuple[str, str]]] = {
    nouns.CLUSTER: ("runs", "playbook"),
    nouns.BACKUP_SERVER: ("runs", "playbook"),
    nouns.CERTIFICATE: ("because", "renew"),
}
"""Type -> the input that says what the run will do, and the word before it."""


@dataclass(frozen=True)
class Change:
    """One resource that changes."""

    kind: Kind
    type: str
    noun: Noun
    name: str
    """What a person calls it."""
    before: Mapping[str, Any] = field(repr=False)
    """Its inputs; empty for one that is made."""
    after: Mapping[str, Any] = field(repr=False)
    """Its inputs; empty for one that goes."""
    paths: tuple[str, ...] = ()
    """Properties that the provider says to differ, such as `values.replicas`; dynamic providers say nothing."""
    forced_by: tuple[str, ...] = ()
    """Properties that cannot be changed in place."""

    @classmethod
    def of(cls, kind: Kind, step: Mapping[str, Any]) -> Self:
        before, after = (dict((step.get(key) or {}).get("inputs") or {}) for key in ("oldState", "newState"))
        state = step.get("newState") or step.get("oldState") or {}
        inputs, logical = after or before, step["urn"].rpartition("::")[2]
        return cls(
            kind=kind,
            type=state["type"],
            noun=nouns.noun(state["type"], inputs),
            name=nouns.name(state["type"], logical, inputs),
            before=before,
            after=after,
            paths=tuple(step.get("detailedDiff") or step.get("diffReasons") or ()),
            forced_by=tuple(step.get("replaceReasons") or ()),
        )

    @property
    def is_of_the_clone(self) -> bool:
        """Whether it is of no site: the kubeconfig file is missing where the engine runs, as in every job."""
        return self.type == nouns.KUBECONFIG_FILE and self.kind is Kind.UPDATE and self.before == self.after

    @property
    def loss(self) -> str:
        """What is lost by it; empty for nothing."""
        return self.noun.loss if self.kind in (Kind.DELETE, Kind.REPLACE) else ""

    @property
    def says(self) -> str:
        """What the run will do or why, in the words of an input that is there to say it; empty if there is none."""
        word, key = SAYING.get(self.type, ("", ""))
        text = self.after.get(key)
        return f"{word} {text}" if text and text != self.before.get(key) else ""


@dataclass(frozen=True)
class ChangeSet:
    """What one preview says of one site."""

    site: str
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    unnamed: int = 0
    """What the engine counts as changes beyond the steps that it lists: nothing that differs goes unsaid."""
    errors: tuple[str, ...] = ()
    """Why it failed; empty if it did not."""
    notices: tuple[str, ...] = ()
    """What the program said meanwhile, and no change tells."""
    refused: tuple[str, ...] = ()
    """What the brake refuses of it."""
    skipped: bool = False
    """Whether there was no preview, because nothing that the site is made from has changed."""

    @classmethod
    def of(cls, site: str, preview: Mapping[str, Any], *, failed: bool = False) -> Self:
        """Read what the engine printed. `failed`: it ended with an error, which it may not have said.

        Raises:
            PreviewError: it holds an operation that is not known.
        """
        steps = [(step["op"], step) for step in preview.get("steps") or ()]
        unknown = {op for op, _ in steps} - KINDS.keys() - UNCHANGED - HALVES
        if unknown:
            raise PreviewError(
                f"the preview of {site} holds operations that are not known: {', '.join(sorted(unknown))}"
            )
        diagnostics = [(each["severity"], each["message"].strip()) for each in preview.get("diagnostics") or ()]
        errors = [text.removeprefix("error: ") for severity, text in diagnostics if severity == "error"]
        changes = [Change.of(KINDS[op], step) for op, step in steps if op in KINDS]
        changes = [change for change in changes if not change.is_of_the_clone]
        # A dynamic provider says it in a line of progress as well, for whoever reads no inputs.
        told = tuple(change.says.partition(" ")[2] for change in changes if change.says)
        summary, listed = preview.get("changeSummary") or {}, Counter(op for op, _ in steps)
        return cls(
            site=site,
            changes=tuple(changes),
            unchanged=sum(number for op, number in summary.items() if op in UNCHANGED),
            unnamed=sum(max(0, summary.get(op, 0) - listed[op]) for op in KINDS),
            errors=tuple(errors or ["the engine ended with an error and did not say which"] * failed),
            notices=tuple(text for severity, text in diagnostics if severity != "error" and not text.endswith(told)),
        )

    def count(self, kind: Kind) -> int:
        """How many resources change in this way."""
        return sum(change.kind is kind for change in self.changes)

    @property
    def differs(self) -> bool:
        """Whether there is any change, named or not."""
        return bool(self.changes or self.unnamed)

    @property
    def losses(self) -> list[Change]:
        """Changes that something is lost by."""
        return [change for change in self.changes if change.loss]
