"""Renews certificates that are due, on a schedule and without a reviewer: so it brings about nothing else.

A certificate is renewed by the run that finds it due. Where something was merged and not yet brought about, it does
not run: certificates are due a month before they end, and drift says so daily. What else is due by its age alone waits
for a person, who has months for it, and holds up no certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ci import nouns
from ci.changes import Change, ChangeSet, Kind
from ci.engine import EngineError, Stack

TARGET: Final = ("--target", "**AcmeCertificate**")
WITH_FOLLOWERS: Final = (*TARGET, "--target-dependents")
AGEING: Final[Mapping[str, str]] = {nouns.CLUSTER: "kubeconfig", nouns.INTERNAL_CERTIFICATE: "internal certificate"}
"""Type -> what of it ends some day, and is made anew before that: by a playbook on every machine, and by a pod that
starts again."""


class OthersError(Exception):
    """More than certificates would change."""


@dataclass(frozen=True)
class Renewal:
    """What has come of it."""

    renewed: tuple[str, ...]
    """Names of the certificates."""
    waiting: tuple[str, ...]
    """What else is due and waits for a person, such as `kubeconfig paris`."""


def renew(stack: Stack) -> Renewal:
    """Renew what is due.

    Raises:
        OthersError: the run would change something else.
        EngineError: the engine failed.
    """
    # Asks the authority whether it wants any to be renewed early (RFC 9773).
    if stack.show("refresh", "--yes", "--skip-preview", *TARGET):
        raise EngineError(f"the certificates of {stack.site} could not be read")
    printed, code = stack.run("preview")
    changes = ChangeSet.of(stack.site, printed, failed=code != 0)
    if changes.errors:
        raise EngineError("\n".join(changes.errors))
    due = [change for change in changes.changes if is_renewal(change)]
    aged = [change for change in changes.changes if _has_aged(change)]
    others = [change for change in changes.changes if not (change in due or change in aged or _follows(change))]
    if due and others:
        raise OthersError(_refusal(stack.site, due, others))
    if due and stack.show("up", "--yes", "--skip-preview", *WITH_FOLLOWERS):
        raise EngineError(f"the renewal of {', '.join(change.name for change in due)} failed")
    return Renewal(
        tuple(change.name for change in due), tuple(f"{AGEING[change.type]} {change.name}" for change in aged)
    )


def is_renewal(change: Change) -> bool:
    """Whether a certificate is as the program asks for, and differs by its age."""
    return (
        change.type == nouns.CERTIFICATE
        and change.kind is Kind.UPDATE
        and _inputs(change.before) == _inputs(change.after)
    )


def _has_aged(change: Change) -> bool:
    """Whether it is as the program asks for, and is made anew all the same."""
    return change.type in AGEING and change.before == change.after


def _inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the program asks for, without what `check` adds and what older states do not have."""
    return {key: value for key, value in inputs.items() if key not in ("issued", "renew", "owner")}


def _follows(change: Change) -> bool:
    """What the new certificate goes into, on the cluster: nothing differs but what only the run will know."""
    on_cluster = change.type.startswith("kubernetes:")
    return on_cluster and change.kind is Kind.UPDATE and _same(change.before, change.after)


def _same(before: Any, after: Any) -> bool:
    """Whether two values are the same as far as they are known. Secrets look alike: on the cluster, all are made by
    resources, whose own steps would tell."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return all(map(_same, before, after))
    return before == after or (isinstance(after, str) and after in nouns.UNKNOWN)


def _refusal(site: str, due: Iterable[Change], others: Iterable[Change]) -> str:
    return (
        f"{site}: {', '.join(change.name for change in due)} should be renewed, but the run would also change "
        f"{', '.join(f'{change.noun.word} {change.name}' for change in others)}. Bring that about first, by the manual "
        "job of the last pipeline of the main branch; it renews them, too."
    )
