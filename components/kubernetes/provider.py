"""Dynamic provider of the cluster.

`diff` and `check` make no network call.

The engine saves what `create` and `update` return, and nothing of a run that failed or was killed in
the middle. So the next run starts from the same inputs and runs the same playbooks again, from the
first one. That is right because each of them looks at the machines and the cluster before it acts: `cluster.yml`
and `scale.yml` bring about what is missing, `remove-node.yml` passes over a node or an etcd member that is not
listed any more, and `upgrade-cluster.yml` finds a node upgraded. Only the machines of nodes that go may be
gone by then, which no playbook can know: they are looked for first. Who was about to join, and by which versions, is in
the state before a playbook runs (`attempts`), so that members that are taken back are removed, and versions that are
taken back are refused.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    UpdateResult,
)

from components import ansible
from components.dynamic import Provider
from components.kubernetes import changes, kubeconfig, members, plan, runner, toolbox
from components.kubernetes.inventory import API_PORT
from components.process import show

REACHABLE_TIMEOUT = 5.0
"""Seconds that a machine may take to accept a connection."""
LOST_AFTER = 30.0
"""Seconds without an answer after which a machine counts as lost: one that reboots is not."""


class ClusterError(Exception):
    """A cluster that was not brought about."""


class KubesprayClusterProvider(Provider):
    """CRUD of one cluster. The id is the site's name."""

    INPUTS = (
        "site",
        "nodes",
        "attempted",
        "apiServer",
        "version",
        "podCidr",
        "serviceCidr",
        "registryMirror",
        "kubespray",
        "groupVars",
        "user",
        "sshPort",
        "privateKey",
        "playbook",
    )
    REPLACES = ("site",)

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse what no playbook can do; say in `playbook` what an update would run.

        Of the files of `kubespray/`, `group_vars` alone says what machines are to be. A state that has no digest of it
        is of a version that did not look: nobody knows what has reached them, and `cluster.yml` runs once.
        """
        news = {**news, "groupVars": ansible.digest(runner.GROUP_VARS)}
        # Of no property: the engine would print its whole value beside the reason.
        failures = [CheckFailure("", reason) for reason in changes.refusals(olds, news)]
        if failures:
            return CheckResult(news, failures)
        text = changes.playbook(olds, news)
        if text != olds.get("playbook"):
            # A preview without --diff names the property that changes, and not its value.
            show(f"kubernetes: {text}")
        return CheckResult({**news, "playbook": text}, [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare the inputs, and look at the kubeconfig, which is no input: `check` does not see it."""
        found = super().diff(_id, olds, news)
        renewal = kubeconfig.renewal(olds.get("kubeconfig", ""))
        for run in plan.runs(olds, news, renewal=renewal) if renewal else ():
            if run.why == renewal:
                show(f"kubernetes: {run.playbook}: {renewal}")
        found.changes = found.changes or bool(renewal)
        return found

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Run `cluster.yml`.

        Raises:
            ClusterError: the playbook failed, the API server does not answer, or a later version was begun with.
        """
        _refuse({}, props)
        return CreateResult(props["site"], {**self.inputs(props), **_bring_about({}, props)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Run the playbooks that the change asks for. A new SSH key, login or repository of the same commit is
        recorded and sends nothing.

        Raises:
            ClusterError: a playbook failed, the API server does not answer, or the change is one that `check` refuses
                and could not see, because the preview did not know an address yet.
        """
        _refuse(olds, news)
        return UpdateResult({**self.inputs(news), **_bring_about(olds, news)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Keep what is known: the kubeconfig cannot be read back from the machines without their key's
        use, and the nodes' health is the cluster's own business."""
        return ReadResult(id_, props, self.inputs(props))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Nothing to run: the cluster goes with its machines, which depend on nothing in it."""
        show(f"kubernetes: the cluster of {props['site']} goes with its machines; no playbook runs")


def _refuse(olds: dict[str, Any], news: dict[str, Any]) -> None:
    refused = changes.refusals(olds, news)
    if refused:
        raise ClusterError("\n".join([f"The cluster of {news['site']} stays as it is:", *refused]))


def _bring_about(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, str]:
    """Run the playbooks; the outputs: an administrator's kubeconfig that is known to work, and Ansible's recap."""
    renewal = kubeconfig.renewal(olds.get("kubeconfig", ""))
    runs = list(plan.runs(olds, news, _lost(olds, news), _joined(olds, news), renewal))
    if not runs:
        return {"kubeconfig": olds["kubeconfig"], "recap": olds.get("recap", "")}
    config, recaps = olds.get("kubeconfig", ""), []
    try:
        with ansible.alone(news["apiServer"]) as lock:
            for run in runs:
                made, recap = _run(run, news["privateKey"], lock)
                config = made or config
                recaps.append(recap)
                show(recap)
    except (ansible.ToolboxError, ansible.PlaybookError, kubeconfig.KubeconfigError) as error:
        advice = "Mend it and run again, or take the change back: what has joined is removed then."
        if any(run.playbook == plan.UPGRADE for run in runs):
            advice = "Mend it and run again: an upgrade is not taken back."
        raise ClusterError(f"The cluster of {news['site']} is not as it should be yet. {error}\n{advice}") from None
    return {"kubeconfig": config, "recap": "\n\n".join(recaps)}


def _run(run: plan.Run, private_key: str, lock: int) -> tuple[str, str]:
    """Run one playbook; the kubeconfig, empty if it makes none, and the recap."""
    checkout = toolbox.checkout(run.release["repository"], run.release["commit"])
    with runner.workspace(run.cluster, private_key) as folder:
        runner.check_identities(checkout, folder, run.lost, lock)
        recap = runner.run_playbook(run.playbook, checkout, folder, limit=run.limit, variables=run.variables, lock=lock)
        made = folder / "inventory" / "artifacts" / "admin.conf"
        if not made.exists():
            return "", recap
        config = kubeconfig.with_server(made.read_text(), f"https://{run.cluster.api_server}:{API_PORT}")
        kubeconfig.wait_ready(config, folder)
    return config, recap


def _lost(olds: dict[str, Any], news: dict[str, Any]) -> set[str]:
    """Names of the nodes that go and whose machines are gone already: deleted, switched off, or on a dead host."""
    names = {node["name"] for node in news["nodes"]}
    # An address may have been given to another machine meanwhile, which must not be reset.
    taken = {node["address"] for node in news["nodes"]}
    lost = {
        node["name"]
        for node in members.before(olds, news).nodes
        if node["name"] not in names
        and (node["address"] in taken or not _accepts(node["address"], int(news["sshPort"])))
    }
    for name in sorted(lost):
        show(f"kubernetes: {name} does not answer any more: it is removed without its machine")
    return lost


def _joined(olds: dict[str, Any], news: dict[str, Any]) -> set[str]:
    """Names of the nodes whose machines were made anew and are members already, by a run that did not succeed."""
    uuids = {node["name"]: node.get("uuid") for node in news["nodes"]}
    rebuilt = members.before(olds, news).rebuilt
    if not rebuilt or "kubeconfig" not in olds:
        return set()
    try:
        with TemporaryDirectory() as folder:
            there = kubeconfig.machines(olds["kubeconfig"], Path(folder))
    except kubeconfig.KubeconfigError as error:
        raise ClusterError(f"The cluster of {news['site']} stays as it is. {error}") from None
    return {name for name in rebuilt if there.get(name) == uuids[name]}


def _accepts(address: str, port: int) -> bool:
    deadline = time.monotonic() + LOST_AFTER
    while True:
        try:
            with socket.create_connection((address, port), REACHABLE_TIMEOUT):
                return True
        except OSError:
            if time.monotonic() > deadline:
                return False
        time.sleep(1)
