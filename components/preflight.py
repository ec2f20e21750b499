"""`Preflight`: is the Proxmox VE cluster fit for what is about to be made?

It runs before anything is made, and again when the pools change. All problems come in one message.
Privileges are those of Proxmox VE 9 (https://pve.proxmox.com/pve-docs/pveum.1.html), and older releases are refused:
they know others. A token with privilege separation starts with none, and the API's own refusals name one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from proxmoxer import ProxmoxAPI
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from components.dynamic import Provider
from components.machines import places
from components.proxmox import NODE_IS_AWAY, ApiError, api_errors, client
from settings import PROJECT, Image, Network, Pool, Proxmox

LEAST_RELEASE = 9
VMS = "/vms"
VM_PRIVILEGES = (
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",  # Packer types the installer's boot line
    "VM.GuestAgent.Audit",  # addresses; new in Proxmox VE 9, where VM.Monitor is gone
    "VM.PowerMgmt",
)
IMAGE_CONTENT = {"packer": "iso", "cloud-image": "import"}
"""`image.source` -> content type of what Proxmox VE downloads for it."""
MIGRATE = "VM.Migrate"
"""Needed as well where a clone may have to move from its template's node to its own."""
ZONES = "/sdn/zones"
"""Where PVE keeps the rights on bridges: `<zone>/<bridge>`, or `<zone>/<bridge>/<tag>` for one VLAN."""
NETWORK_ZONE = "localnetwork"
"""The zone of ordinary bridges."""


class PreflightError(Exception):
    """The cluster is not fit. The message lists every problem and what to do about it."""


@dataclass(frozen=True)
class PreflightArgs:
    """What is checked."""

    proxmox: Proxmox
    api_token: pulumi.Input[str]
    """`user@realm!tokenid=uuid`, secret."""
    network: Network
    pools: Sequence[Pool]
    """What is about to be made: a change is a reason to check again."""
    image: Image
    """Says which content its storage must take."""
    backup: bool = False
    """Whether a storage and a job for backups are made."""


class PreflightProvider(Provider):
    """Checks at a create and at an update; there is nothing to read or to remove."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Check.

        Raises:
            PreflightError: with every problem found.
        """
        check(props)
        return CreateResult(props["endpoint"], props)

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Check again, unless only the API token is another one: that sends nothing."""
        if self.changed(olds, news) != {"apiToken"}:
            check(news)
        return UpdateResult(news)


class Preflight(Resource, module="preflight", name="Preflight"):
    """A check of the site's Proxmox VE cluster. Let what must not start before it depend on it.

    Args:
        name: The site's name.
        args: What is checked.
    """

    def __init__(self, name: str, args: PreflightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        proxmox, network = args.proxmox, args.network
        props = {
            "site": name,
            "endpoint": proxmox.endpoint,
            "apiToken": args.api_token,
            "insecure": proxmox.insecure,
            "nodes": list(proxmox.nodes),
            "isoStorage": proxmox.iso_storage,
            "imageContent": IMAGE_CONTENT.get(args.image.source, ""),
            "diskStorage": proxmox.disk_storage,
            "network": _network_path(network.bridge, network.vlan),
            # What is not built here, on the first node, may be on any.
            "clonesMove": args.image.source == "existing"
            or any(pool.image or {*(pool.nodes or proxmox.nodes)} != {proxmox.nodes[0]} for pool in args.pools),
            "backup": args.backup,
            "pools": [
                {
                    "name": pool.name,
                    "machines": {place.name: place.vm_id for place in places(name, pool, proxmox)},
                    "nodes": list(pool.nodes or proxmox.nodes),
                    "storage": pool.storage or proxmox.disk_storage,
                    "network": _network_path(pool.bridge or network.bridge, pool.tag(network)),
                }
                for pool in args.pools
            ],
        }
        super().__init__(PreflightProvider(), name, props, opts)


def check(props: dict[str, Any]) -> None:
    """Check the cluster that the inputs of a `Preflight` describe.

    Raises:
        PreflightError: with every problem found.
    """
    try:
        api = client(props["endpoint"], props["apiToken"], props["insecure"])
        problems = (
            list(_release(api))
            or list(_privileges(api, props))
            or [*_cluster(api, props["nodes"]), *_all_storages(api, props)]
        )
    except ApiError as error:
        problems = [_explain(error, props["site"])]
    if problems:
        raise PreflightError(
            "\n  - ".join([f"Proxmox VE at {props['endpoint']} is not fit for this stack:", *problems])
        )


def _network_path(bridge: str, vlan: int | None) -> str:
    """Below a zone: what a right on a network device is asked for on."""
    return bridge if vlan is None else f"{bridge}/{vlan}"


def _explain(error: ApiError, site: str) -> str:
    if error.status == 401:
        # Without -s it would be another stack's, the one that happens to be selected.
        remedy = f"pulumi config set --secret {PROJECT}:proxmoxApiToken -s {site}"
        return f"it does not accept the API token ({error}); set it with `{remedy}`"
    return str(error)


def _release(api: ProxmoxAPI) -> Iterator[str]:
    with api_errors():
        version: str = api.version.get()["version"]
    if int(version.split(".")[0]) < LEAST_RELEASE:
        yield f"it runs Proxmox VE {version}; {LEAST_RELEASE} or newer is needed, for the privileges that the token has"


def _privileges(api: ProxmoxAPI, props: dict[str, Any]) -> Iterator[str]:
    """What the token lacks. Nothing else is looked at then: the answers would be incomplete."""
    wanted = {
        "/": {"Sys.Audit"},
        VMS: {*VM_PRIVILEGES, MIGRATE} if props["clonesMove"] else set(VM_PRIVILEGES),
        f"/storage/{props['isoStorage']}": {"Datastore.AllocateTemplate", "Datastore.Audit"},
    }
    for storage in (props["diskStorage"], *(pool["storage"] for pool in props["pools"])):
        wanted.setdefault(f"/storage/{storage}", set()).update({"Datastore.AllocateSpace", "Datastore.Audit"})
    if props.get("backup"):
        wanted["/"].add("Sys.Modify")
        wanted["/storage"] = {"Datastore.Allocate"}
    builder = f"/nodes/{props['nodes'][0]}"
    if "Sys.Modify" not in _held(api, "/"):  # with Sys.Audit, the other way to be allowed a download
        wanted[builder] = {"Sys.AccessNetwork"}
    token = props["apiToken"].partition("=")[0]
    for path, privileges in wanted.items():
        if missing := sorted(privileges - _held(api, path)):
            yield _missing(token, path, missing)
    for network in sorted({props["network"], *(pool["network"] for pool in props["pools"])}):
        if not _may_use(api, network):
            yield _missing(token, f"{ZONES}/{NETWORK_ZONE}/{network}", ["SDN.Use"])


def _held(api: ProxmoxAPI, path: str) -> set[str]:
    """The token's privileges on a path, inherited ones included."""
    with api_errors():
        permissions: dict[str, dict[str, int]] = api.access.permissions.get(path=path)
    # The API says which ones propagate; what does not reaches no VM below /vms.
    return {name for held in permissions.values() for name, below in held.items() if below or path != VMS}


def _may_use(api: ProxmoxAPI, network: str) -> bool:
    """Whether the token may use a bridge, or one VLAN of it, in whatever zone it is."""
    if "SDN.Use" in _held(api, f"{ZONES}/{NETWORK_ZONE}/{network}"):
        return True
    with api_errors():
        permissions: dict[str, dict[str, int]] = api.access.permissions.get()
    zones = {path.split("/")[3] for path in permissions if path.startswith(f"{ZONES}/")} - {NETWORK_ZONE}
    return any("SDN.Use" in _held(api, f"{ZONES}/{zone}/{network}") for zone in sorted(zones))


def _missing(token: str, path: str, privileges: list[str]) -> str:
    return (
        f"the API token {token} lacks {', '.join(privileges)} on {path}: give it a role that has them, with"
        f" `pveum acl modify {path} --tokens '{token}' --roles ROLE` (its user needs them as well)"
    )


def _cluster(api: ProxmoxAPI, nodes: Sequence[str]) -> Iterator[str]:
    with api_errors():
        members: list[dict[str, Any]] = api.cluster.status.get()
    for entry in members:
        if entry["type"] == "cluster" and not entry.get("quorate"):
            yield f"the cluster {entry['name']} has no quorum: bring its missing nodes back"
    online = {entry["name"]: bool(entry.get("online")) for entry in members if entry["type"] == "node"}
    for node in nodes:
        if node not in online:
            yield f"there is no node {node}, only {', '.join(sorted(online))}: see proxmox.nodes in the stack file"
        elif not online[node]:
            yield f"the node {node} is offline: start it, or take it out of proxmox.nodes in the stack file"


def _all_storages(api: ProxmoxAPI, props: dict[str, Any]) -> Iterator[str]:
    """The image is made on the first node; a pool's disks are on each of its own."""
    builder = props["nodes"][0]
    if content := props["imageContent"]:
        yield from _storage(api, builder, props["isoStorage"], content, "proxmox.isoStorage")
    disks = {(builder, props["diskStorage"]): "proxmox.diskStorage"}
    for pool in props["pools"]:
        key = "proxmox.diskStorage" if pool["storage"] == props["diskStorage"] else f"storage of pool {pool['name']}"
        for node in pool["nodes"]:
            disks.setdefault((node, pool["storage"]), key)
    for (node, storage), key in disks.items():
        yield from _storage(api, node, storage, "images", key)


def _storage(api: ProxmoxAPI, node: str, storage: str, content: str, key: str) -> Iterator[str]:
    try:
        with api_errors():
            status: dict[str, Any] = api.nodes(node).storage(storage).status.get()
    except ApiError as error:
        # One that is away is reported as such.
        if error.status not in NODE_IS_AWAY:
            yield f"the storage {storage} on node {node} ({key}): {error}"
        return
    if not status.get("active"):
        yield f"the storage {storage} on node {node} ({key}) is not active"
    if content not in status.get("content", "").split(","):
        yield (
            f"the storage {storage} on node {node} ({key}) takes {status.get('content') or 'nothing'}, not {content}:"
            f" allow it with `pvesm set {storage} --content`, or name another storage"
        )
