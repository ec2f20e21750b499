"""`python -m recovery STACK`: exit code 0 if the next `pulumi up` can go on, 1 if not."""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache

from proxmoxer import ProxmoxAPI

from ci.nouns import RELEASE
from components import engine
from components.engine import EngineError
from components.proxmox import ApiError, client, remove_vm
from recovery import cluster, proxmox
from recovery.state import (
    Adoption,
    Deployment,
    Pending,
    RecoveryError,
    cut_short,
    failed_releases,
    half_made,
    kubeconfig,
    pending,
    with_adopted,
)
from verify.checks import CheckFailed
from verify.cluster import Cluster

UNLOCKED = ("has never been updated", "has already completed")
"""What Pulumi Cloud answers where there is nothing to cancel. Other backends take that for success."""


def recover(stack: str) -> None:
    """Unlock the stack and settle what its last run left pending or behind.

    Raises:
        RecoveryError: a VM bears a derived id but not its name, or the cluster does not answer.
        EngineError: the engine refused.
        ApiError: Proxmox VE refused.
    """
    _unlock(stack)
    deployment: Deployment = engine.plain(engine.export(stack, show_secrets=True)["deployment"])
    creations = pending(deployment, "creating")
    unfinished = {*cut_short(deployment), *half_made(deployment)}
    api = _api(stack)
    adopted = _settle(api, deployment, creations)
    for urn in sorted(unfinished):
        print(f"looked at again: {_name(urn)}", flush=True)
    for one in creations:
        print(f"{'adopted' if one.urn in adopted else 'forgotten'}: {_name(one.urn)} ({one.type})")
    removed = proxmox.strays(api, deployment)
    for vm in removed:
        print(f"removing VM {vm.vm_id} {vm.name}: it was cloned, and its creation failed", flush=True)
        remove_vm(api, vm.vm_id)
    if adopted:
        exported = engine.export(stack)
        exported["deployment"] = with_adopted(exported["deployment"], adopted)
        engine.run("stack", "import", "--stack", stack, stdin=json.dumps(exported))
    if creations or unfinished:
        kept = [f"--exclude={urn}" for urn in failed_releases(deployment)]
        engine.run("refresh", "--yes", "--skip-preview", "--stack", stack, *kept, "--clear-pending-creates")
    elif not removed:
        print(f"stack {stack} is unlocked; nothing was cut short", flush=True)


def _settle(api: ProxmoxAPI, deployment: Deployment, creations: list[Pending]) -> dict[str, Adoption]:
    """Settle what was cut short, wherever it is. Returns what to adopt, by URN."""

    @cache
    def connect(provider: str) -> Cluster:
        return Cluster(kubeconfig(deployment, provider))

    adopted = {}
    try:
        for change in pending(deployment, "updating"):
            if change.type == RELEASE:
                cluster.unblock(connect(change.provider), change)
        for one in creations:
            if one.type.startswith("kubernetes:"):
                adoption = cluster.settle(connect(one.provider), one)
            else:
                adoption = proxmox.settle(api, one)
            if adoption is not None:
                adopted[one.urn] = adoption
    except CheckFailed as error:
        raise RecoveryError(
            f"the cluster has to say what became of what was being made on it: {error}. Run this again once it answers;"
            " where it is lost, `pulumi refresh --clear-pending-creates` forgets what was being made"
        ) from None
    return adopted


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _unlock(stack: str) -> None:
    try:
        engine.run("cancel", "--yes", "--stack", stack)
    except EngineError as error:
        if not any(words in str(error) for words in UNLOCKED):
            raise


def _api(stack: str) -> ProxmoxAPI:
    settings = json.loads(engine.run("config", "get", "oss-nextgen:proxmox", "--stack", stack))
    token = engine.run("config", "get", "oss-nextgen:proxmoxApiToken", "--stack", stack).strip()
    return client(settings["endpoint"], token, settings.get("insecure", False))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m recovery", description="Recover a stack after a killed run.")
    parser.add_argument("stack")
    try:
        recover(parser.parse_args().stack)
    except (ApiError, EngineError, RecoveryError) as error:
        print(f"recovery: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
