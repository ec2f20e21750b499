"""What the recovery command does about creations that were cut short, against a real HTTP API."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI

from ci.nouns import FILE, JOB, NFS, PBS, PREFLIGHT, RELEASE, TEMPLATE, VM
from components.engine import SIGNATURE, plain
from components.proxmox import client
from recovery.proxmox import settle, strays
from recovery.state import (
    Adoption,
    Pending,
    RecoveryError,
    cut_short,
    failed_releases,
    half_made,
    kubeconfig,
    pending,
    with_adopted,
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
    assert pending({"pending_operations": operations}, "creating") == [Pending("urn", VM, {"vmId": 2101})]
    assert pending({}, "creating") == []


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
    assert settle(api, ISO) == Adoption("local:iso/debian.iso", {"id": "local:iso/debian.iso"})


@pytest.mark.parametrize("kind", [NFS, PBS])
def test_a_storage_that_is_there_is_adopted(api: ProxmoxAPI, kind: str) -> None:
    storage = Pending("urn::backup-storage", kind, {"resourceId": "oss-nextgen-backup"})
    assert settle(api, storage) is None
    api.storage.post(storage="oss-nextgen-backup", type="nfs", server="10.75.20.101", export="/srv")
    assert settle(api, storage) == Adoption("oss-nextgen-backup")


def test_a_backup_job_that_is_there_is_adopted() -> None:
    jobs = SimpleNamespace(get=lambda: [{"id": "oss-nextgen-paris"}])
    api = SimpleNamespace(cluster=SimpleNamespace(backup=jobs))
    job = Pending("urn::backup-job", JOB, {"resourceId": "oss-nextgen-paris"})
    assert settle(api, job) == Adoption("oss-nextgen-paris")
    assert settle(api, Pending("urn::backup-job", JOB, {"resourceId": "oss-nextgen-lille"})) is None


def test_what_lives_in_the_state_alone_is_forgotten(api: ProxmoxAPI, server: Any) -> None:
    assert settle(api, Pending("urn", "random:index/randomPassword:RandomPassword", {})) is None
    assert server.requests == []


STATE: dict[str, Any] = {
    "resources": [
        {"type": PREFLIGHT, "outputs": {"pools": [{"machines": {NAME: 2101.0, "paris-masters-2": 2102.0}}]}},
        {"type": VM, "urn": "urn::masters-1", "inputs": {"vmId": 2101.0}, "initErrors": ["no quorum"]},
    ]
}


def test_what_exists_and_is_not_finished_is_looked_at() -> None:
    assert half_made(STATE) == ["urn::masters-1"]
    assert half_made({}) == []


def test_a_release_that_failed_is_not_looked_at() -> None:
    """Its provider would read it without an error, and what it lacks would never be applied."""
    failed = {"type": RELEASE, "urn": "urn::homepage", "initErrors": ["timed out waiting for the condition"]}
    state = {"resources": [*STATE["resources"], failed, {"type": RELEASE, "urn": "urn::metallb"}]}
    assert half_made(state) == ["urn::masters-1"]
    assert failed_releases(state) == ["urn::homepage"]


def resource(urn: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn, "type": "kubernetes:core/v1:Service", "inputs": {"kind": "Service"}, **more}


ADOPTED = resource(
    "urn::dns",
    id="powerdns/dns",
    outputs={"kind": "Service", "__fieldManager": "pulumi-kubernetes-0a1b2c3d"},
    initErrors=["its creation was cut short"],
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([resource("urn::other")], [resource("urn::other"), ADOPTED]),
        (
            [resource("urn::dns", id="powerdns/dns", pendingReplacement=True), resource("urn::other")],
            [ADOPTED, resource("urn::other")],
        ),
        (
            [resource("urn::dns", id="powerdns/old"), resource("urn::other")],
            [ADOPTED, resource("urn::dns", id="powerdns/old", delete=True), resource("urn::other")],
        ),
        (
            [resource("urn::other"), resource("urn::dns", id="powerdns/older", delete=True)],
            [resource("urn::other"), resource("urn::dns", id="powerdns/older", delete=True), ADOPTED],
        ),
    ],
    ids=["new", "in the place of one that is gone", "in the place of one that goes", "beside one that goes"],
)
def test_what_is_adopted_is_in_the_state_with_the_program_s_inputs(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    operations = [
        {"type": "creating", "resource": resource("urn::dns")},
        {"type": "creating", "resource": resource("urn::forgotten")},
        {"type": "deleting", "resource": resource("urn::other")},
    ]
    adoption = Adoption("powerdns/dns", {"__fieldManager": "pulumi-kubernetes-0a1b2c3d"})
    mended = with_adopted({"resources": before, "pending_operations": operations}, {"urn::dns": adoption})
    assert mended == {"resources": after, "pending_operations": []}


def test_the_kubeconfig_is_that_of_the_object_s_provider() -> None:
    def secret(text: str) -> dict[str, str]:
        return {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(text)}

    providers = [
        {"urn": "urn::kubernetes", "id": number, "inputs": {"kubeconfig": secret(f"of {number}")}} for number in "12"
    ]
    state = plain({"resources": providers})
    assert kubeconfig(state, "urn::kubernetes::2") == "of 2"
    with pytest.raises(RecoveryError, match="the state does not hold the provider urn::kubernetes::3"):
        kubeconfig(state, "urn::kubernetes::3")


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
