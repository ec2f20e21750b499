"""One run of a Kubespray playbook: its inventory, its overrides, and the facts that it needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components import ansible
from components.kubernetes.inventory import Cluster, inventory

GROUP_VARS = ansible.KUBESPRAY / "group_vars"
FACTS = "playbooks/facts.yml"


@contextmanager
def workspace(cluster: Cluster, private_key: str) -> Iterator[Path]:
    """A private folder with the inventory, the overrides and the key, removed at the end."""
    with ansible.workspace(cluster.api_server, inventory(cluster), private_key) as folder:
        shutil.copytree(GROUP_VARS, folder / "inventory" / "group_vars" / "all")
        yield folder


def run_playbook(
    playbook: str,
    checkout: Path,
    folder: Path,
    *,
    limit: Sequence[str] = (),
    variables: Mapping[str, Any] | None = None,
    lock: int | None = None,
) -> str:
    """Run a playbook against a `workspace`.

    Args:
        playbook: File name in the checkout.
        checkout: Kubespray.
        folder: The workspace.
        limit: Hosts that it is limited to; all if empty. Kubespray then needs the facts of the others, which are
            gathered first.
        variables: Extra variables.
        lock: Descriptor that Ansible keeps open.

    Returns:
        Ansible's recap: a table of the hosts with their numbers of tasks.

    Raises:
        PlaybookError: a host failed or was unreachable, or Ansible could not start.
    """
    if limit:
        ansible.play(FACTS, checkout, folder, lock=lock)
    # As JSON: Ansible takes the values of `key=value` for text.
    arguments = ["--extra-vars", json.dumps(variables)] if variables else []
    arguments += ["--limit", ",".join(limit)] if limit else []
    return ansible.play(playbook, checkout, folder, arguments, lock=lock)


def check_identities(checkout: Path, folder: Path, lost: Sequence[str] = (), lock: int | None = None) -> None:
    """Make sure that each machine of a `workspace` answers, and is the one that its name says.

    Args:
        checkout: Kubespray.
        folder: The workspace.
        lost: Names of the hosts that are not asked: no playbook will reach them.
        lock: Descriptor that Ansible keeps open.

    Raises:
        PlaybookError: no machine or another one has the address of one, or Ansible could not start.
    """
    arguments = ["--extra-vars", json.dumps({"lost": list(lost)})]
    ansible.play(ansible.IDENTITY, checkout, folder, arguments, lock=lock)
