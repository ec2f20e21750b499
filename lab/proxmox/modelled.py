"""The part of the Proxmox VE API that the lab's site has.

fakepve answers every call of the schema, those that it does not model with a made-up value. Here
such a call is refused instead: nothing in the lab may look done that is not.
"""

from __future__ import annotations

_NODE = "/nodes/{node}"
_STORAGE = f"{_NODE}/storage/{{storage}}"
_VM = f"{_NODE}/qemu/{{vmid}}"

CALLS = {
    "/version": "GET",
    "/access/ticket": "POST",
    "/access/permissions": "GET",
    "/cluster/nextid": "GET",
    "/cluster/resources": "GET",
    "/cluster/status": "GET",
    "/cluster/backup": "GET POST",
    "/cluster/backup/{id}": "GET PUT DELETE",
    "/nodes": "GET",
    "/storage": "GET POST",
    "/storage/{storage}": "GET PUT DELETE",
    f"{_NODE}/query-url-metadata": "GET",
    f"{_NODE}/tasks": "GET",
    f"{_NODE}/tasks/{{upid}}/status": "GET",
    f"{_NODE}/tasks/{{upid}}/log": "GET",
    f"{_NODE}/storage": "GET",
    f"{_STORAGE}/status": "GET",
    f"{_STORAGE}/content": "GET POST",
    f"{_STORAGE}/content/{{volume}}": "GET PUT DELETE",
    f"{_STORAGE}/download-url": "POST",
    f"{_NODE}/qemu": "GET POST",
    _VM: "DELETE",
    f"{_VM}/clone": "POST",
    f"{_VM}/template": "POST",
    f"{_VM}/config": "GET PUT POST",
    f"{_VM}/pending": "GET",
    f"{_VM}/resize": "PUT",
    f"{_VM}/migrate": "POST",
    f"{_VM}/monitor": "POST",
    f"{_VM}/sendkey": "PUT",
    f"{_VM}/status/current": "GET",
    f"{_VM}/status/start": "POST",
    f"{_VM}/status/stop": "POST",
    f"{_VM}/status/shutdown": "POST",
    f"{_VM}/status/reboot": "POST",
    f"{_VM}/status/reset": "POST",
    f"{_VM}/agent/ping": "POST",
    f"{_VM}/agent/info": "GET",
    f"{_VM}/agent/get-host-name": "GET",
    f"{_VM}/agent/get-osinfo": "GET",
    f"{_VM}/agent/get-time": "GET",
    f"{_VM}/agent/get-fsinfo": "GET",
    f"{_VM}/agent/network-get-interfaces": "GET",
}
"""Path template of the schema -> methods."""

PRIVILEGES = {
    "/": (
        "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit SDN.Use "
        "Sys.AccessNetwork Sys.Audit Sys.Modify VM.Allocate VM.Audit VM.Clone VM.Config.CDROM VM.Config.CPU "
        "VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options "
        "VM.Console VM.GuestAgent.Audit VM.Migrate VM.PowerMgmt"
    ),
}
"""Path -> what the lab's API token may do there: a role made for the platform, not Administrator."""

CLOUD_INIT_KEYS = frozenset(
    {"cicustom", "cipassword", "citype", "ciuser", "ciupgrade", "nameserver", "searchdomain", "sshkeys"}
)
"""Settings that need VM.Config.Cloudinit (PVE::API2::Qemu, $cloudinitoptions)."""


def modelled(method: str, template: str) -> bool:
    """Whether the site has a call."""
    return method in CALLS.get(template, "").split()
