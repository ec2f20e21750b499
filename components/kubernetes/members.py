"""Who is a member of a cluster, and who may be one. Pure, and free of network calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi.output import contains_unknowns

Props = Mapping[str, Any]


@dataclass(frozen=True)
class Members:
    """What there is before a change. Nodes are as in the inputs: `name`, `address`, `role`, `uuid`, `zone`."""

    nodes: Sequence[Props]
    """The members, and behind them what an unfinished run may have made one and nobody wants any more."""
    rebuilt: frozenset[str]
    """Names of those that are wanted on other machines: theirs are lost."""


def before(olds: Props, news: Props) -> Members:
    """Compare a cluster's state with what is asked for.

    Args:
        olds: Inputs of the last run that succeeded, empty if none has.
        news: Inputs asked for. Values may be `Unknown`: the `uuid` of a machine that is not made yet,
            and `attempted` as a whole where new machines are about to be written down.
    """
    wanted = {identity(node) for node in news["nodes"]}
    settled = max((node["attempt"] for node in olds.get("attempted") or ()), default=0)
    attempted = news.get("attempted") or ()
    nodes = {node["name"]: node for node in olds.get("nodes", ())}
    for node in () if contains_unknowns(attempted) else attempted:
        if node["attempt"] > settled and identity(node) not in wanted:
            nodes.setdefault(node["name"], node)
    rebuilt = {
        node["name"]
        for node in news["nodes"]
        # States of before know no machine's UUID: it is the same one, as far as can be told.
        if nodes.get(node["name"], {}).get("uuid", node.get("uuid")) != node.get("uuid")
    }
    return Members(list(nodes.values()), frozenset(rebuilt))


def identity(node: Props) -> tuple[Any, Any]:
    """The same for the same machine under the same name."""
    return node["name"], node.get("uuid")
