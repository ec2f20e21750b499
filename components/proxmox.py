"""The Proxmox VE calls that the program makes itself, beside those of the proxmoxve provider.

No Pulumi in here: dynamic providers and the recovery command use it. All that calls the API raises `ApiError` where it
refuses or cannot be reached; what waits for it, also where that takes longer than `TASK_TIMEOUT`.
API: https://pve.proxmox.com/pve-docs/api-viewer/
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException

T = TypeVar("T")
PORT = 8006
REQUEST_TIMEOUT = 120
"""Seconds. The API itself waits up to a minute for a locked VM."""
TASK_TIMEOUT = 1800
"""Seconds. A full clone of a large disk on slow storage takes many minutes."""
SECOND_REMOVAL = 1
"""Seconds between two attempts to remove a VM."""
NODE_IS_AWAY = (595, 596)
"""HTTP status where the node that was asked does not answer the one that was reached."""
TOKEN = re.compile(r"^([^\s@!=]+@[^\s@!=]+)!([^\s@!=]+)=(\S+)$")


class ApiError(Exception):
    """A call that failed, in the API's own words.

    Args:
        message: What to show.
        status: HTTP status; None if there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True)
class Vm:
    """A virtual machine or template, wherever in the cluster it is."""

    vm_id: int
    name: str
    node: str
    template: bool
    running: bool
    lock: str | None
    """`clone`, `backup`, ... while something works on it."""


def client(endpoint: str, api_token: str, insecure: bool) -> ProxmoxAPI:
    """A client of one cluster. It connects at the first call.

    Args:
        endpoint: `https://host:port`, without a path.
        api_token: `user@realm!tokenid=uuid`.
        insecure: Accept any certificate. Otherwise it is checked against the trust store that
            `REQUESTS_CA_BUNDLE` names, or against the one of certifi.

    Raises:
        ApiError: the token has another form. The message does not show it.
    """
    token = TOKEN.match(api_token)
    if token is None:
        raise ApiError("the Proxmox VE API token must have the form user@realm!tokenid=uuid")
    user, name, value = token.groups()
    url = urlsplit(endpoint)
    return ProxmoxAPI(
        url.hostname,
        port=url.port or PORT,
        user=user,
        token_name=name,
        token_value=value,
        verify_ssl=not insecure,
        timeout=REQUEST_TIMEOUT,
    )


@contextmanager
def api_errors() -> Iterator[None]:
    """Turn what the client raises into `ApiError`."""
    try:
        yield
    except ResourceException as error:
        reason = " ".join(error.content.split())
        fields = "".join(f"; {name}: {str(text).strip()}" for name, text in (error.errors or {}).items())
        raise ApiError(f"HTTP {error.status_code}: {reason}{fields}", error.status_code) from None
    except (AuthenticationError, requests.RequestException) as error:
        raise ApiError(f"no answer: {error}") from None


def find_vm(api: ProxmoxAPI, vm_id: int) -> Vm | None:
    """Look a VM up in the whole cluster.

    The cluster's list only says on which node it is: names, states and templates reach that list some ten seconds
    late (pvestatd gathers them), so the node itself is asked for these.
    """
    with api_errors():
        guests: list[dict[str, Any]] = api.cluster.resources.get(type="vm")
    for guest in guests:
        if guest["vmid"] == vm_id:
            return _current(api, guest["node"], guest["type"], vm_id)
    return None


def find_named(api: ProxmoxAPI, name: str) -> list[Vm]:
    """The virtual machines and templates of a name, in the whole cluster, by VMID.

    Those on a node that does not answer are left out.
    """
    with api_errors():
        guests: list[dict[str, Any]] = api.cluster.resources.get(type="vm")
    found = []
    for guest in sorted(guests, key=lambda guest: int(guest["vmid"])):
        # The list has no name yet of a new one.
        if guest["type"] != "qemu" or guest.get("name", name) != name:
            continue
        try:
            vm = _current(api, guest["node"], "qemu", guest["vmid"])
        except ApiError as error:
            if error.status not in NODE_IS_AWAY:
                raise
            continue
        if vm is not None and vm.name == name:
            found.append(vm)
    return found


def unlocked(api: ProxmoxAPI, vm_id: int) -> Vm | None:
    """The VM once nothing works on it any more; None if it is not there.

    A clone that still runs goes on after the program that asked for it was killed.
    """
    vm = find_vm(api, vm_id)

    def free() -> bool:
        nonlocal vm
        vm = find_vm(api, vm_id)
        return vm is None or vm.lock is None

    if vm and vm.lock and not _until(free):
        raise ApiError(f"VM {vm_id} on node {vm.node} is still locked ({vm.lock}) after {TASK_TIMEOUT} s")
    return vm


def remove_vm(api: ProxmoxAPI, vm_id: int) -> None:
    """Turn a VM off and destroy it with its disks. One that is not there is no error.

    A clone that still runs is waited for. A refusal is heard twice: a build that was interrupted may remove the
    same VM at the same time. A protected VM stays: the API refuses.
    """
    try:
        _remove(api, vm_id)
    except ApiError:
        time.sleep(SECOND_REMOVAL)
        _remove(api, vm_id)


def _remove(api: ProxmoxAPI, vm_id: int) -> None:
    vm = unlocked(api, vm_id)
    if vm is None:
        return
    resource = api.nodes(vm.node).qemu(vm_id)
    if vm.running:
        with api_errors():
            upid = resource.status.stop.post()
        wait_for_task(api, upid)
    with api_errors():
        upid = resource.delete(**{"purge": 1, "destroy-unreferenced-disks": 1})
    wait_for_task(api, upid)


def has_file(api: ProxmoxAPI, node: str, volume: str) -> bool:
    """Whether a storage lists a file.

    Args:
        api: The cluster.
        node: Node whose view of the storage counts.
        volume: Volume id, such as `local:iso/debian.iso`.
    """
    with api_errors():
        content = api.nodes(node).storage(volume.partition(":")[0]).content.get()
    return any(entry["volid"] == volume for entry in content)


def wait_for_task(api: ProxmoxAPI, upid: str) -> None:
    """Wait for the end of a task. One that failed raises `ApiError`, too."""
    _, node, *_ = upid.split(":")

    def ended() -> dict[str, Any] | None:
        with api_errors():
            task: dict[str, Any] = api.nodes(node).tasks(upid).status.get()
        return task if task["status"] == "stopped" else None

    task = _until(ended)
    if task is None:
        raise ApiError(f"the task {upid} did not end within {TASK_TIMEOUT} s")
    if task["exitstatus"] != "OK" and not task["exitstatus"].startswith("WARNINGS"):
        raise ApiError(f"the task {task['type']} {task['id']} on node {node} failed: {task['exitstatus']}")


def _current(api: ProxmoxAPI, node: str, kind: str, vm_id: int) -> Vm | None:
    """What a node says of a guest of one kind (`qemu`, `lxc`); None if it was removed meanwhile."""
    try:
        with api_errors():
            status: dict[str, Any] = api.nodes(node)(kind)(vm_id).status.current.get()
    except ApiError as error:
        if "does not exist" in str(error):
            return None
        raise
    return Vm(
        vm_id=vm_id,
        name=status.get("name", ""),
        node=node,
        template=bool(status.get("template")),
        running=status["status"] == "running",
        lock=status.get("lock"),
    )


def _until(look: Callable[[], T | None]) -> T | None:
    """Look until there is something, at growing intervals. None when the time is over."""
    deadline, pause = time.monotonic() + TASK_TIMEOUT, 0.1
    while not (result := look()):
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
    return result
