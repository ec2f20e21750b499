"""Which playbooks a change runs, in which order, on which inventory. Pure, and free of network calls.

Membership first, by the release and version that the cluster has; then the upgrade, of the members
that stay. New nodes come before old ones go, so that what is drained has a place to go to; but a node
whose machine is lost goes first, for Kubespray's other playbooks stop at a host that is down, and one
whose machine was made anew has to go before it can join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from components.kubernetes import members
from components.kubernetes.inventory import Cluster, Node

CLUSTER, SCALE, REMOVE, UPGRADE = "cluster.yml", "scale.yml", "remove-node.yml", "upgrade-cluster.yml"
FETCHING = (CLUSTER, UPGRADE)
"""Those that bring the administrator's kubeconfig back, as it is on the control plane then."""
LOST_DRAIN_TIMEOUT = "60s"
"""Pods of a machine that is gone never say that they have ended; Kubespray would wait six minutes for them."""

Props = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    playbook: str
    why: str
    """What a preview says beside the playbook's name."""
    cluster: Cluster
    """What the inventory shows."""
    release: Props
    """`repository` and `commit` of the Kubespray that runs."""
    limit: Sequence[str] = ()
    """Names of the nodes that it is limited to; all if empty."""
    variables: Props = field(default_factory=dict)
    """Extra variables."""
    lost: Sequence[str] = ()
    """Names of the nodes that are removed without their machines, which are not there to be reached."""


def runs(
    olds: Props, news: Props, lost: Collection[str] = (), joined: Collection[str] = (), renewal: str = ""
) -> Iterator[Run]:
    """The runs that bring a cluster about, or bring it from `olds` to `news`.

    Args:
        olds: Inputs of the cluster, empty when there is none yet.
        news: Inputs asked for. Addresses may be unknown, names, roles and zones are not.
        lost: Names of the nodes that are to go and whose machines cannot be reached any more.
        joined: Names of the nodes whose machines were made anew and have joined: they are not removed again.
        renewal: Why the administrator's kubeconfig is to be fetched anew; empty if it is not.
    """
    wanted, release = Cluster.from_properties(news), news["kubespray"]
    if olds:
        changes = [*_membership(olds, news, lost, joined), *_versions(olds, news, wanted)]
        yield from changes
        if renewal and not any(run.playbook in FETCHING for run in changes):
            yield Run(CLUSTER, renewal, wanted, release)
        return
    names = [node.name for node in wanted.nodes]
    # A first run that did not succeed may have made members that are not wanted any more: they join, then leave.
    left = [node for node in members.before(olds, news).nodes if node["name"] not in names]
    whole = {**news, "nodes": [*news["nodes"], *left], "attempted": ()}
    there = [node for node in Cluster.from_properties(whole).nodes if node.name not in lost]
    yield Run(CLUSTER, ", ".join(names), replace(wanted, nodes=there), release)
    yield from _membership(whole, news, lost, joined)


def _membership(olds: Props, news: Props, lost: Collection[str], joined: Collection[str]) -> Iterator[Run]:
    before, release = members.before(olds, news), olds["kubespray"]
    former, wanted = Cluster.from_properties({**olds, "nodes": before.nodes}), Cluster.from_properties(news)
    # How machines are reached may have changed; what the cluster is made of has not yet.
    reached = replace(wanted, version=former.version)
    stay = {node.name for node in former.nodes} & {node.name for node in wanted.nodes} - before.rebuilt
    added = [node for node in wanted.nodes if node.name not in stay]
    removed = [node for node in former.nodes if node.name not in stay]
    gone = [node for node in removed if node.name in before.rebuilt.difference(joined).union(lost)]
    leaving = [node for node in removed if node.name not in before.rebuilt.union(lost)]
    if gone:
        yield _removal(gone, former.nodes, reached, release, lost=True)
    # New control-plane nodes come last in their group, or Kubespray takes one of them for the first.
    nodes = [*(node for node in former.nodes if node.name in stay or node in leaving), *added]
    if any(map(_votes, added)):
        # Members join etcd one by one, and every API server has to learn of them.
        variables = {"upgrade_cluster_setup": True, "etcd_retries": 10}
        yield Run(CLUSTER, _signed("+", added), replace(reached, nodes=nodes), release, variables=variables)
    elif added:
        limit = [node.name for node in added]
        yield Run(SCALE, _signed("+", added), replace(reached, nodes=nodes), release, limit=limit)
    if leaving:
        yield _removal(leaving, nodes, reached, release)
    if any(map(_votes, removed)) and not any(map(_votes, added)):
        told = replace(reached, nodes=[node for node in nodes if node not in leaving])
        yield Run(CLUSTER, "etcd members", told, release, variables={"upgrade_cluster_setup": True})


def _removal(
    leaving: Sequence[Node], nodes: Sequence[Node], reached: Cluster, release: Props, lost: bool = False
) -> Run:
    names = [node.name for node in leaving]
    variables: dict[str, Any] = {"node": ",".join(names), "skip_confirmation": True}
    if lost:
        variables |= {"reset_nodes": False, "allow_ungraceful_removal": True, "drain_timeout": LOST_DRAIN_TIMEOUT}
    if sum(map(_votes, nodes)) % 2 == 0:
        # Another voter is lost and gone already: an even number that this run makes odd again.
        variables |= {"ignore_assert_errors": True}
    told, missing = replace(reached, nodes=nodes), names if lost else ()
    return Run(REMOVE, _signed("-", leaving), told, release, variables=variables, lost=missing)


def _versions(olds: Props, news: Props, wanted: Cluster) -> Iterator[Run]:
    before, after = olds["kubespray"], news["kubespray"]
    upgrades = [
        f"{name} {old} to {new}"
        for name, old, new in (
            ("Kubespray", before["version"], after["version"]),
            ("Kubernetes", olds["version"], news["version"]),
        )
        if old != new
    ]
    others = []
    if before["version"] == after["version"] and before["commit"] != after["commit"]:
        others.append(f"Kubespray {after['commit'][:12]}")
    if olds.get("registryMirror", "") != news["registryMirror"]:
        others.append(f"images from {news['registryMirror'] or 'the public registries'}")
    if olds.get("groupVars") != news["groupVars"]:
        others.append(f"group_vars {news['groupVars']}")
    others += [f"{node.name} on {node.zone}" for node in _moved(olds, news, wanted)]
    if why := [*upgrades, *others]:
        yield Run(UPGRADE if upgrades else CLUSTER, ", ".join(why), wanted, after)


def _moved(olds: Props, news: Props, wanted: Cluster) -> Iterator[Node]:
    """Those that another Proxmox node carries, as a refresh has told, and that have another label. Who joins is given
    its label then."""
    rebuilt = members.before(olds, news).rebuilt
    zones = {node["name"]: node.get("zone", "") for node in olds["nodes"] if node["name"] not in rebuilt}
    yield from (node for node in wanted.nodes if zones.get(node.name, node.zone) != node.zone)


def _votes(node: Node) -> bool:
    """etcd runs on the control plane."""
    return node.role == "control-plane"


def _signed(sign: str, nodes: Sequence[Node]) -> str:
    return ", ".join(f"{sign} {node.name}" for node in nodes)
