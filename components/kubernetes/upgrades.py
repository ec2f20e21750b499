"""Which steps from one version to another Kubespray and Kubernetes allow. Pure.

Kubespray's docs/operations/upgrades.md: no minor release may be skipped, patch releases may.
Kubernetes' version skew policy says the same of the control plane, and neither goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from settings.kubernetes_rules import KUBERNETES_VERSIONS

Versions = Mapping[str, str]
"""`kubespray` (`v2.31.0`) and `version` (`1.35.4`)."""

RELEASES = ("v2.27.0", "v2.27.1", "v2.28.0", "v2.28.1", "v2.29.0", "v2.29.1", "v2.30.0", "v2.31.0")
"""Kubespray's release tags since January 2025, in the order in which they upgrade."""


def kubespray_refusals(old: str, new: str) -> Iterator[str]:
    """Why Kubespray's release `old` cannot become `new`; both are tags (`v2.31.0`)."""
    change = f"kubernetes.kubespray.version is {old} and cannot become {new}"
    before, after = _parts(old), _parts(new)
    if after < before:
        yield f"{change}: a cluster does not go back. Restore {old}, or build the site anew."
    elif after[:2] > (before[0], before[1] + 1):
        between = [tag for tag in RELEASES if before[:2] < _parts(tag)[:2] < after[:2]]
        step = [tag for tag in between if _parts(tag)[:2] == _parts(between[0])[:2]][-1:]
        yield (
            f"{change}: Kubespray upgrades one release after the other. Go to {step[0] if step else 'the next'} first, "
            "with the version of this program that is written for it."
        )


def kubernetes_refusals(release: str, old: str, new: str) -> Iterator[str]:
    """Why Kubernetes `old` cannot become `new` (`1.35.4`) by Kubespray's `release`."""
    change = f"kubernetes.version is {old} and cannot become {new}"
    before, after = _parts(old), _parts(new)
    if after < before:
        yield f"{change}: a control plane does not go back. Restore {old}, or build the site anew."
    elif after[:2] > (before[0], before[1] + 1):
        minor = before[0], before[1] + 1
        last = KUBERNETES_VERSIONS.get(release, {}).get(minor)
        step = f"{minor[0]}.{minor[1]}" + ("" if last is None else f".{last}")
        yield f"{change}: Kubernetes upgrades one minor version at a time. Go to {step} first."


def begun_refusals(olds: Versions, news: Versions, begun: Iterable[Versions]) -> Iterator[str]:
    """Why versions cannot be taken back that a run may have brought to some machines.

    Args:
        olds: Those of the last run that succeeded; empty if none has.
        news: Those asked for.
        begun: Those that were asked for at any time. What is no step from `olds` was refused, and never run.
    """
    tried = [one for one in begun if not olds or _is_step(olds, one)]
    for key, setting in (("kubespray", "kubernetes.kubespray.version"), ("version", "kubernetes.version")):
        new = news[key]
        last = max((one[key] for one in tried), key=_parts, default=new)
        if _parts(last) > max(_parts(new), _parts(olds.get(key, new))):
            yield (
                f"{setting} was {last} in a run that has not succeeded, and cannot become {new}: machines may have "
                f"{last} already, and a cluster does not go back. Restore {last} and run again, or build the site anew."
            )


def _is_step(olds: Versions, news: Versions) -> bool:
    refusals = chain(
        kubespray_refusals(olds["kubespray"], news["kubespray"]),
        kubernetes_refusals(news["kubespray"], olds["version"], news["version"]),
    )
    return next(refusals, None) is None


def _parts(version: str) -> tuple[int, ...]:
    """`v2.31.0` or `1.35.4` as numbers."""
    return tuple(int(part) for part in version.removeprefix("v").split("."))
