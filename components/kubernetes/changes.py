"""What a change of the inputs is refused for, and what a preview says of it. Pure, and free of network calls.

Inputs are as the engine gives them; in a preview, values may be `Unknown`, nested ones too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pulumi.output import contains_unknowns

from components.kubernetes import members, plan, upgrades

Props = Mapping[str, Any]
RESTORE = (
    "Take back what replaces it, or restore the VM from a backup, and the stack's state of before the refresh that "
    "missed it; else build the site anew."
)
"""The way out where a lost machine cannot be replaced."""


def refusals(olds: Props, news: Props) -> list[str]:
    """What no playbook can bring about on the machines as they are, each with a way out.

    Args:
        olds: Inputs of the cluster, empty when there is none yet.
        news: Inputs asked for.
    """
    return [*_taken_back(olds, news), *(_refusals(olds, news) if olds else ())]


def playbook(olds: Props, news: Props) -> str:
    """The text that a preview shows: which playbooks run, and for what. It stays while nothing changes."""
    text = "; ".join(f"{run.playbook}: {run.why}" for run in plan.runs(olds, news))
    if not text:
        return str(olds["playbook"])
    # A preview shows what differs: the same as the last time has to differ, too.
    return f"{text} (again)" if text == olds.get("playbook") else text


def _taken_back(olds: Props, news: Props) -> Iterator[str]:
    begun = news.get("begun") or ()
    if not contains_unknowns(begun):
        yield from upgrades.begun_refusals(_versions(olds) if olds else {}, _versions(news), begun)


def _versions(props: Props) -> upgrades.Versions:
    return {"kubespray": props["kubespray"]["version"], "version": props["version"]}


def _refusals(olds: Props, news: Props) -> Iterator[str]:
    for key, what in (
        ("apiServer", "the virtual address is in every certificate"),
        ("podCidr", "pods have addresses from it"),
        ("serviceCidr", "services have addresses from it"),
    ):
        if _known_change(olds[key], news[key]):
            change = f"kubernetes.{key} is {olds[key]} and cannot become {news[key]}"
            yield f"{change}: {what}. Restore it, or build the site anew."
    release = news["kubespray"]["version"]
    yield from upgrades.kubespray_refusals(olds["kubespray"]["version"], release)
    yield from upgrades.kubernetes_refusals(release, olds["version"], news["version"])
    known = members.before(olds, news)
    before, after = _by_name(known.nodes), _by_name(news["nodes"])
    moving = [name for name in {**before, **after} if (name in before) != (name in after) or name in known.rebuilt]
    if moving and release != olds["kubespray"]["version"]:
        yield (
            f"{', '.join(moving)} cannot join or leave in the run that upgrades Kubespray to {release}: members change "
            "by the release that the cluster has, which needs an Ansible of its own. Restore the pools, upgrade, then "
            "change them."
        )
    yield from _control_plane_refusals(_control_plane(before), _control_plane(after), after, known.rebuilt)
    yield from _node_refusals(before, after)


def _control_plane_refusals(
    before: list[str], after: list[str], nodes: dict[str, Props], rebuilt: Collection[str]
) -> Iterator[str]:
    first, replaced = before[0], [name for name in before if name in rebuilt]
    if first not in nodes:
        yield (
            f"{first} is gone from the pools, but is the cluster's first control-plane node, which Kubespray cannot "
            "remove. Restore its pool, or build the site anew."
        )
    elif after and after[0] != first and first in after:
        yield (
            f"{after[0]} would be the first control-plane node, and {first} is: Kubespray can only add nodes behind "
            f"it. Put the pool of {first} before the others."
        )
    if first in rebuilt:
        yield (
            f"{first} would be made anew, which is the cluster's first control-plane node: Kubespray can add nodes to "
            f"a cluster, but cannot make this one again. {RESTORE}"
        )
    elif 2 * len(replaced) >= len(before):
        yield (
            f"{', '.join(replaced)} would be made anew, without which etcd has no quorum: no playbook can remove or "
            f"add a member then. {RESTORE}"
        )
    added = [name for name in after if name not in before or name in rebuilt]
    removed = [name for name in before if name not in nodes]
    if added and removed:
        yield (
            f"{', '.join(removed)} cannot leave the control plane in the run in which {', '.join(added)} join it: "
            "etcd would have an even number of members meanwhile. Let them join first, then take nodes away."
        )


def _node_refusals(before: dict[str, Props], after: dict[str, Props]) -> Iterator[str]:
    for name in [name for name in before if name in after]:
        old, new = before[name], after[name]
        if _known_change(old["role"], new["role"]):
            yield f"{name} is a {old['role']} and cannot become a {new['role']}: restore the pool's role."
        elif _known_change(old["address"], new["address"]):
            yield _move(name, old["address"], new["address"])


def _move(name: str, old: str, new: str) -> str:
    return (
        f"{name} had the address {old} and now has {new}: Kubernetes nodes cannot be re-addressed. Reserve the former "
        "address for its MAC address in DHCP, restart the VM, run `pulumi refresh`, then `pulumi up`."
    )


def _known_change(old: Any, new: Any) -> bool:
    return not contains_unknowns(new) and bool(old != new)


def _by_name(nodes: Iterable[Props]) -> dict[str, Props]:
    return {node["name"]: node for node in nodes}


def _control_plane(nodes: dict[str, Props]) -> list[str]:
    return [name for name, node in nodes.items() if node["role"] == "control-plane"]
