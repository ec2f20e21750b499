"""What the recovery command does about creations that were cut short, against a real HTTP API."""

from __future__ import annotations

from typing import Any

import pytest
from proxmoxer import ProxmoxAPI

from components.proxmox import client
from recovery import (
    FILE,
    PREFLIGHT,
    TEMPLATE,
    VM,
    Pending,
    RecoveryError,
    cut_short,
    half_made,
    pending_creations,
    settle,
    strays,
)
from tests.unit.proxmox_server import ProxmoxServer

NAME = "paris-masters-1"
CLONE = Pending("urn::masters-1", VM, {"vmId": 2101, "name": NAME})
ISO = Pending(
    "urn::image-iso", FILE, {"nodeName": "pve1", "datastoreId": "local", "contentType": "iso", "fileName": "debian.iso"}
)
IMAGE = Pending("urn::image", TEMPLATE, {"name": "paris-debian-12-0123456789ab"})


@pytest.fixture
def server(serve_proxmox: Any) -> Any:
    return serve_proxmox(ProxmoxServer())


@pytest.fixture
def api(server: Any, proxmox_token: str) -> ProxmoxAPI:
    return client(server.url, proxmox_token, insecure=False)


def test_only_creations_are_pending() -> None:
    resource = {"urn": "urn", "type": VM, "inputs": {"vmId": 2101}}
    operations = [{"type": kind, "resource": resource} for kind in ("creating", "updating", "deleting")]
    assert pending_creations({"pending_operations": operations}) == [Pending("urn", VM, {"vmId": 2101})]
    assert pending_creations({}) == []


def test_what_was_being_changed_or_removed_is_looked_at() -> None:
    operations = [{"type": kind, "resource": {"urn": kind}} for kind in ("creating", "updating", "deleting")]
    assert cut_short({"pending_operations": operations}) == ["updating", "deleting"]
    assert cut_short({}) == []


@pytest.mark.parametrize("name", [NAME, "VM 2101"])
def test_a_half_made_vm_goes_even_when_protected(api: ProxmoxAPI, server: Any, name: str) -> None:
    server.add_vm(2101, name, status="running", config={"protection": 1})
    assert settle(api, CLONE) is None
    assert server.vm(2101) is None


def test_a_vm_that_was_never_made(api: ProxmoxAPI) -> None:
    assert settle(api, CLONE) is None


def test_a_vm_of_another_name_stays(api: ProxmoxAPI, server: Any) -> None:
    server.add_vm(2101, "mail")
    with pytest.raises(RecoveryError, match="VMID 2101 is 'mail', not 'paris-masters-1': not removed"):
        settle(api, CLONE)
    assert server.vm(2101).name == "mail"


def test_what_a_build_of_an_image_left_goes(api: ProxmoxAPI, server: Any) -> None:
    server.add_vm(2007, IMAGE.inputs["name"], status="running")
    server.add_vm(2008, "mail")
    assert settle(api, IMAGE) is None
    assert [vm.vmid for vm in server.vms] == [2008]


def test_a_template_that_was_finished_stays(api: ProxmoxAPI, server: Any) -> None:
    server.add_vm(2007, IMAGE.inputs["name"], template=True)
    assert settle(api, IMAGE) is None
    assert server.vm(2007).template


def test_an_image_that_is_there_is_adopted(api: ProxmoxAPI, server: Any) -> None:
    assert settle(api, ISO) is None
    server.store_file("local", "debian.iso", 7)
    assert settle(api, ISO) == "pve1/local:iso/debian.iso"


def test_what_lives_in_the_state_alone_is_forgotten(api: ProxmoxAPI, server: Any) -> None:
    assert settle(api, Pending("urn", "random:index/randomPassword:RandomPassword", {})) is None
    assert server.requests == []


STATE = {
    "resources": [
        {"type": PREFLIGHT, "outputs": {"pools": [{"machines": {NAME: 2101.0, "paris-masters-2": 2102.0}}]}},
        {"type": VM, "urn": "urn::masters-1", "inputs": {"vmId": 2101.0}, "initErrors": ["no quorum"]},
    ]
}


def test_what_exists_and_is_not_finished_is_looked_at() -> None:
    assert half_made(STATE) == ["urn::masters-1"]
    assert half_made({}) == []


@pytest.mark.parametrize(
    ("name", "status", "protection", "stray"),
    [
        ("paris-masters-2", "stopped", 0, True),
        ("paris-masters-2", "running", 0, False),
        ("paris-masters-2", "stopped", 1, False),
        ("mail", "stopped", 0, False),
    ],
)
def test_a_clone_that_the_state_does_not_know(
    api: ProxmoxAPI, server: Any, name: str, status: str, protection: int, stray: bool
) -> None:
    server.add_vm(2101, NAME)
    server.add_vm(2102, name, status=status, config={"protection": protection})
    assert [vm.vm_id for vm in strays(api, STATE)] == ([2102] if stray else [])


def test_nothing_is_a_stray_before_the_first_preflight(api: ProxmoxAPI, server: Any) -> None:
    server.add_vm(2101, NAME)
    assert strays(api, {}) == []
