"""Who may be a member after runs that failed or were killed, and what is done about machines that are made anew."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from components.kubernetes import changes, kubeconfig, plan
from components.kubernetes.attempts import AttemptedMembersProvider
from components.kubernetes.provider import KubesprayClusterProvider
from tests.unit.kubernetes.test_changes import cluster, node

Inputs = dict[str, Any]


def machine(name: str, uuid: Any = None, role: str = "worker") -> Inputs:
    """A node on a machine; its address ends like its name."""
    end = name.rpartition("-")[2]
    return {**node(name, f"10.0.{1 if role == 'worker' else 0}.{end}", role), "uuid": uuid or f"uuid-{name}"}


M1, M2, M3 = (machine(f"m-{number}", role="control-plane") for number in (1, 2, 3))
W1, W2, W3 = (machine(f"w-{number}") for number in (1, 2, 3))


def attempted(inputs: Inputs) -> Inputs:
    """What `AttemptedMembers` is given beside these inputs of the cluster."""
    return {
        "site": "paris",
        "nodes": inputs["nodes"],
        "kubespray": inputs["kubespray"]["version"],
        "version": inputs["version"],
    }


class Site:
    """The two resources of a stack, as the engine keeps them from run to run.

    Args:
        nodes: Members of the cluster at first; there is none without them.
    """

    def __init__(self, *nodes: Inputs) -> None:
        self._attempt: Inputs = {}
        self._cluster: Inputs = {}
        if nodes:
            self.run(*nodes)

    def preview(self, *nodes: Inputs, **changed: Any) -> Inputs:
        """The inputs of the cluster, as `check` leaves them in a preview."""
        former, inputs = self._attempt, cluster(nodes=list(nodes), **changed)
        attempt = AttemptedMembersProvider().check(former, attempted(inputs)).inputs
        changes = not former or AttemptedMembersProvider().diff("paris", former, attempt).changes
        told = {key: UNKNOWN if changes else attempt[key] for key in ("attempted", "begun")}
        return self._checked({**inputs, **told})

    def run(self, *nodes: Inputs, succeeds: bool = True, **changed: Any) -> list[plan.Run]:
        """The runs of an `up`. One that does not succeed leaves no trace in the cluster's own state."""
        inputs = cluster(nodes=list(nodes), **changed)
        self._attempt = AttemptedMembersProvider().check(self._attempt, attempted(inputs)).inputs
        inputs = self._checked({**inputs, **{key: self._attempt[key] for key in ("attempted", "begun")}})
        runs = list(plan.runs(self._cluster, inputs))
        self._cluster = inputs if succeeds else self._cluster
        return runs

    def refused(self, *nodes: Inputs, **changed: Any) -> list[str]:
        """Why a preview refuses it."""
        inputs = cluster(nodes=list(nodes), **changed)
        attempt = AttemptedMembersProvider().check(self._attempt, attempted(inputs)).inputs
        told = {} if AttemptedMembersProvider().diff("paris", self._attempt, attempt).changes else attempt
        inputs |= {key: told.get(key, UNKNOWN) for key in ("attempted", "begun")}
        return [failure.reason for failure in KubesprayClusterProvider().check(self._cluster, inputs).failures]

    def changes(self, inputs: Inputs) -> bool:
        return bool(KubesprayClusterProvider().diff("paris", self._cluster, inputs).changes)

    def _checked(self, inputs: Inputs) -> Inputs:
        result = KubesprayClusterProvider().check(self._cluster, inputs)
        assert not result.failures
        return result.inputs


def said(runs: list[plan.Run]) -> list[str]:
    return [f"{run.playbook}: {run.why}" for run in runs]


def test_a_growth_that_failed_and_is_taken_back_is_removed_once() -> None:
    site = Site(M1, W1)
    site.run(M1, W1, W2, W3, succeeds=False)

    assert site.preview(M1, W1)["playbook"] == "remove-node.yml: - w-2, - w-3"
    (removal,) = site.run(M1, W1)

    assert [each.name for each in removal.cluster.nodes] == ["m-1", "w-1", "w-2", "w-3"]
    assert removal.variables == {"node": "w-2,w-3", "skip_confirmation": True}
    assert not site.changes(site.preview(M1, W1))


def test_a_removal_that_failed_too_is_run_again() -> None:
    site = Site(M1, W1)
    site.run(M1, W1, W2, succeeds=False)
    for _ in range(2):
        assert said(site.run(M1, W1, succeeds=False)) == ["remove-node.yml: - w-2"]
    # And what comes back before that has succeeded joins.
    assert said(site.run(M1, W1, W2)) == ["scale.yml: + w-2"]
    assert not site.changes(site.preview(M1, W1, W2))


def test_each_attempt_counts_anew() -> None:
    site = Site(M1, W1)
    for _ in range(2):
        assert said(site.run(M1, W1, W2, succeeds=False)) == ["scale.yml: + w-2"]
        assert said(site.run(M1, W1)) == ["remove-node.yml: - w-2"]


def test_a_growth_that_failed_is_run_again() -> None:
    site = Site(M1, W1)
    site.run(M1, W1, W2, succeeds=False)
    assert said(site.run(M1, W1, W2)) == ["scale.yml: + w-2"]
    assert not site.changes(site.preview(M1, W1, W2))


def test_a_control_plane_that_is_taken_back_leaves_etcd() -> None:
    site = Site(M1, W1)
    assert said(site.run(M1, M2, M3, W1, succeeds=False)) == ["cluster.yml: + m-2, + m-3"]
    text = "remove-node.yml: - m-2, - m-3; cluster.yml: etcd members"
    assert site.preview(M1, W1)["playbook"] == text
    assert said(site.run(M1, W1)) == text.split("; ")


def test_what_a_failed_growth_left_and_what_comes_now() -> None:
    site = Site(M1, W1)
    site.run(M1, W1, W2, succeeds=False)
    assert said(site.run(M1, W1, W3)) == ["scale.yml: + w-3", "remove-node.yml: - w-2"]


def test_a_first_run_that_failed_and_is_made_smaller() -> None:
    site = Site()
    site.run(M1, W1, W2, succeeds=False)
    whole, removal = site.run(M1, W1)
    assert (whole.playbook, whole.why) == ("cluster.yml", "m-1, w-1")
    assert [each.name for each in whole.cluster.nodes] == ["m-1", "w-1", "w-2"]
    assert said([removal]) == ["remove-node.yml: - w-2"]
    assert not site.changes(site.preview(M1, W1))


ANEW = machine("w-1", "another")


def test_a_machine_that_is_made_anew_is_lost_and_added() -> None:
    site = Site(M1, W1)
    text = "remove-node.yml: - w-1; scale.yml: + w-1"
    # Before it is made, a preview does not know what it will be.
    assert site.preview(M1, machine("w-1", UNKNOWN))["playbook"] == text

    lost, added = site.run(M1, ANEW)

    assert said([lost, added]) == text.split("; ")
    assert lost.variables["reset_nodes"] is False
    assert [[each.name for each in run.cluster.nodes] for run in (lost, added)] == [["m-1", "w-1"]] * 2
    assert added.limit == ["w-1"]
    assert not site.changes(site.preview(M1, ANEW))


def test_a_machine_that_is_made_anew_elsewhere_is_labelled_when_it_joins() -> None:
    site = Site(M1, {**W1, "zone": "pve1"})
    assert said(site.run(M1, {**ANEW, "zone": "pve2"})) == ["remove-node.yml: - w-1", "scale.yml: + w-1"]


def test_a_machine_that_is_made_anew_and_has_joined_is_not_removed_again() -> None:
    (added,) = plan.runs(cluster(nodes=[M1, W1, W2]), cluster(nodes=[M1, ANEW, W2]), joined={"w-1"})
    assert (added.playbook, added.limit) == ("scale.yml", ["w-1"])
    assert [each.name for each in added.cluster.nodes] == ["m-1", "w-2", "w-1"]


@pytest.mark.parametrize(("told", "joined"), [("uuid-w-1", set()), ("another", {"w-1"}), (None, set())])
def test_the_cluster_tells_whether_it_has_joined(
    told: str | None, joined: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def record(_olds: object, _news: object, _lost: object, joined: set[str], _renewal: str) -> Iterator[plan.Run]:
        seen.append(joined)
        return iter(())

    monkeypatch.setattr(plan, "runs", record)
    monkeypatch.setattr(kubeconfig, "machines", lambda *_: {"m-1": "uuid-m-1"} | ({"w-1": told} if told else {}))
    olds = {**cluster(nodes=[M1, W1]), "kubeconfig": "kept"}
    KubesprayClusterProvider().update("paris", olds, {**cluster(nodes=[M1, ANEW]), "playbook": ""})
    assert seen == [joined]


def test_a_control_plane_machine_that_is_made_anew() -> None:
    site = Site(M1, M2, M3, W1)
    lost, added = site.run(M1, machine("m-2", "another", "control-plane"), M3, W1)
    assert said([lost, added]) == ["remove-node.yml: - m-2", "cluster.yml: + m-2"]
    assert [each.name for each in added.cluster.nodes] == ["m-1", "m-3", "w-1", "m-2"]


def test_a_state_that_knows_no_machine_of_before_runs_nothing() -> None:
    old = [{key: value for key, value in each.items() if key != "uuid"} for each in (M1, W1)]
    state = cluster(nodes=old, playbook="cluster.yml: m-1, w-1")
    written = AttemptedMembersProvider().check({}, attempted(cluster(nodes=[M1, W1]))).inputs
    news = cluster(nodes=[M1, W1], attempted=written["attempted"])
    result = KubesprayClusterProvider().check(state, news)
    assert result.inputs["playbook"] == state["playbook"]
    # It is recorded, so that the next one is seen.
    assert KubesprayClusterProvider().diff("paris", state, result.inputs).changes
    assert list(plan.runs(state, news)) == []
    assert said(list(plan.runs(result.inputs, {**news, "nodes": [M1, ANEW]}))) == [
        "remove-node.yml: - w-1",
        "scale.yml: + w-1",
    ]


REFUSED: dict[str, tuple[list[Inputs], list[Inputs], str]] = {
    "first-control-plane-machine": (
        [M1, M2, M3, W1],
        [machine("m-1", UNKNOWN, "control-plane"), M2, M3, W1],
        (
            "m-1 would be made anew, which is the cluster's first control-plane node: Kubespray can add nodes to a "
            "cluster, but cannot make this one again. Take back what replaces it, or restore the VM from a backup, and "
            "the stack's state of before the refresh that missed it; else build the site anew."
        ),
    ),
    "quorum": (
        [M1, M2, M3, W1],
        [M1, *(machine(name, UNKNOWN, "control-plane") for name in ("m-2", "m-3")), W1],
        (
            "m-2, m-3 would be made anew, without which etcd has no quorum: no playbook can remove or add a member "
            "then. Take back what replaces it, or restore the VM from a backup, and the stack's state of before the "
            "refresh that missed it; else build the site anew."
        ),
    ),
    "joins-and-leaves": (
        [M1, M2, M3, W1],
        [M1, machine("m-2", UNKNOWN, "control-plane"), W1],
        (
            "m-3 cannot leave the control plane in the run in which m-2 join it: etcd would have an even number of "
            "members meanwhile. Let them join first, then take nodes away."
        ),
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_machine_that_cannot_be_made_anew_is_refused_in_the_preview(rule: str) -> None:
    before, after, reason = REFUSED[rule]
    assert changes.refusals(cluster(nodes=before), cluster(nodes=after, attempted=UNKNOWN)) == [reason]


def test_an_attempt_is_the_same_for_a_preview_that_knows_no_address() -> None:
    """Another API token, say: the addresses are asked for again, the machines are the same."""
    subject, news = AttemptedMembersProvider(), attempted(cluster(nodes=[M1, W1]))
    state = subject.create(subject.check({}, news).inputs).outs
    assert state is not None
    unknown = {**news, "nodes": [{**each, "address": UNKNOWN} for each in (M1, W1)]}
    assert not subject.diff("paris", state, subject.check(state, unknown).inputs).changes
