"""The Proxmox VE cluster: quorum, and the nodes that carry the site."""

from __future__ import annotations

from typing import Any

from components.proxmox import ApiError, api_errors, client
from verify.checks import CheckFailed
from verify.stack import Stack


def quorum(stack: Stack) -> str:
    """The cluster is quorate, and each of the site's nodes is online.

    Raises:
        CheckFailed: with all that is wrong.
    """
    proxmox = stack.settings.proxmox
    try:
        api = client(proxmox.endpoint, stack.api_token, proxmox.insecure)
        with api_errors():
            entries: list[dict[str, Any]] = api.cluster.status.get()
    except ApiError as error:
        raise CheckFailed(str(error)) from None
    # A server that was never joined to a cluster lists itself alone, without an entry of type cluster.
    problems = [
        f"the cluster {entry['name']} has no quorum: bring its missing nodes back"
        for entry in entries
        if entry["type"] == "cluster" and not entry.get("quorate")
    ]
    online = {entry["name"] for entry in entries if entry["type"] == "node" and entry.get("online")}
    problems += [f"the node {node} is not online" for node in proxmox.nodes if node not in online]
    if problems:
        raise CheckFailed("; ".join(problems))
    return f"{len(online)} nodes online" if len(online) > 1 else f"{proxmox.nodes[0]} online"
