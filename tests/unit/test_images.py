"""The provider of templates against a real HTTP API; Packer is replaced by what it leaves behind."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components import process
from components.images import packer as packer_room
from components.images import recipe
from components.images.provider import TemplateProvider
from components.images.templates import TemplateError
from components.process import CommandError
from tests.unit.proxmox_server import ProxmoxServer

NAME = "paris-debian-12-0123456789ab"
VM_ID = recipe.vm_ids(2000, NAME)[0]
FIT = {
    "agent": "enabled=1",
    "ide0": f"local-lvm:vm-{VM_ID}-cloudinit,media=cdrom",
    "scsi0": f"nfs:{VM_ID}/base-{VM_ID}-disk-0.qcow2,size=20G",
}
SECRETS = {"preseed": "d-i passwd/root-password-crypted password $2a$10$x", "userPassword": "correct horse"}
PLACE = {"vmId": float(VM_ID), "node": "pve1"}
"""What the state has of a template besides its inputs."""


@pytest.fixture
def server(serve_proxmox: Any) -> Any:
    return serve_proxmox(ProxmoxServer())


@pytest.fixture
def connection(server: Any, proxmox_token: str) -> dict[str, Any]:
    return {"endpoint": server.url, "apiToken": proxmox_token, "insecure": False, "name": NAME}


@pytest.fixture
def props(connection: dict[str, Any]) -> dict[str, Any]:
    """Inputs of an image that Packer builds, as the engine gives them: numbers are floats."""
    return {
        **connection,
        "source": "packer",
        "buildNode": "pve1",
        "vmIdBase": 2000.0,
        "description": "golden",
        "isoFile": "local:iso/debian.iso",
        "diskStorage": "local-lvm",
        "diskGib": 20.0,
        "bridge": "vmbr0",
        "vlan": "",
        "httpAddress": "",
        "user": "ossng",
        "sshPort": 22.0,
        **SECRETS,
    }


@pytest.fixture
def kept(connection: dict[str, Any]) -> dict[str, Any]:
    return {**connection, "source": "kept", "machines": ["paris-workers-1"]}


@pytest.fixture
def foreign(kept: dict[str, Any]) -> dict[str, Any]:
    return {**kept, "source": "existing"}


class Packer:
    """What `components.process.run` is told, and what a build makes."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.commands: list[list[str]] = []
        self.env: Mapping[str, str] = {}
        self.makes: dict[str, Any] = {"name": NAME, "template": True, "config": FIT}
        self.says: list[str] = []
        self.error: CommandError | None = None
        self.missing = False

    def run(self, what: str, argv: Sequence[str], *, cwd: object, env: Mapping[str, str], progress: Any = str) -> None:
        self.commands.append(list(argv))
        self.env = env
        if self.missing:
            raise FileNotFoundError("packer")
        if what == "packer build":
            self.server.add_vm(int(env["PKR_VAR_vm_id"]), **self.makes)
            for line in self.says:
                progress(line)
            if self.error:
                raise self.error


@pytest.fixture
def packer(server: Any, monkeypatch: pytest.MonkeyPatch) -> Packer:
    packer = Packer(server)
    monkeypatch.setattr(packer_room, "run", packer.run)
    return packer


def test_the_state_names_the_provider_and_holds_no_code() -> None:
    """Moving or renaming it breaks every state that has a template."""
    pickled = base64.b64decode(serialize_provider(TemplateProvider()))
    assert b"components.images.provider\x94\x8c\x10TemplateProvider" in pickled
    assert len(pickled) < 120


def test_a_build(packer: Packer, props: dict[str, Any], proxmox_token: str) -> None:
    result = TemplateProvider().create(props)
    assert (result.id, result.outs) == (NAME, {**props, "vmId": VM_ID, "node": "pve1"})
    assert [command[:2] for command in packer.commands] == [["packer", "init"], ["packer", "build"]]
    assert packer.env["PKR_VAR_proxmox_username"] == "oss-nextgen@pve!pulumi"
    assert packer.env["PKR_VAR_vm_id"] == str(VM_ID)
    assert packer.env["PKR_VAR_disk_gib"] == "20"
    arguments = " ".join(word for command in packer.commands for word in command)
    assert not [secret for secret in (*SECRETS.values(), proxmox_token) if secret in arguments]


def test_a_template_of_the_name_is_adopted_wherever_it_is(packer: Packer, server: Any, props: dict[str, Any]) -> None:
    server.add_vm(4711, NAME, template=True, node="pve2", config=FIT)
    assert TemplateProvider().create(props).outs == {**props, "vmId": 4711, "node": "pve2"}
    assert packer.commands == []


@pytest.mark.parametrize(
    "left",
    [{"status": "running"}, {"template": True, "config": {**FIT, "agent": "0"}}],
    ids=["a VM", "a template that was not finished"],
)
def test_what_a_build_that_was_cut_short_left_is_removed_first(
    packer: Packer, server: Any, props: dict[str, Any], left: dict[str, Any]
) -> None:
    server.add_vm(4711, NAME, **left)
    TemplateProvider().create(props)
    assert server.vm(4711) is None
    assert server.vm(VM_ID).template


def test_a_creation_that_outlives_its_run_is_waited_for(packer: Packer, server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, f"VM {VM_ID}")
    server.snapshot_lock(VM_ID, "create")

    def end() -> None:
        server.vm(VM_ID).name = NAME
        server.unlock(VM_ID)

    creation = threading.Timer(0.5, end)
    creation.start()
    assert TemplateProvider().create(props).outs == {**props, "vmId": VM_ID, "node": "pve1"}
    assert [vm.vmid for vm in server.vms] == [VM_ID]


def test_a_build_of_a_killed_engine_removes_nothing(
    packer: Packer, server: Any, props: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_ENGINE", Path("/proc/none"))
    packer.error = CommandError("packer build", 1, ["interrupted"])
    with pytest.raises(TemplateError):
        TemplateProvider().create(props)
    assert server.vm(VM_ID).name == NAME


def test_a_vmid_that_is_taken_is_left_alone(packer: Packer, server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, "mail")
    server.snapshot_lock(VM_ID, "backup")  # which nobody waits for
    assert TemplateProvider().create(props).outs == {**props, "vmId": VM_ID + 1, "node": "pve1"}
    assert server.vm(VM_ID).name == "mail"


def test_no_vmid_is_left(packer: Packer, server: Any, props: dict[str, Any]) -> None:
    for vm_id in range(2000, 2100):
        server.add_vm(vm_id, f"mail-{vm_id}")
    with pytest.raises(TemplateError, match=f"No VMID is left for the image {NAME}: 2000 to 2099 are taken"):
        TemplateProvider().create(props)


def test_vmids_begin_with_one_that_the_name_tells() -> None:
    assert recipe.vm_ids(2000, NAME) == [*range(VM_ID, 2100), *range(2000, VM_ID)]


def test_a_failed_build_says_at_which_step_and_leaves_no_vm(packer: Packer, server: Any, props: dict[str, Any]) -> None:
    packer.makes = {"name": NAME, "status": "running"}
    packer.says = [
        "==> proxmox-iso.debian: Typing the boot command",
        "==> proxmox-iso.debian: Waiting for SSH to become available...",
        "==> proxmox-iso.debian: Stopping VM",
    ]
    packer.error = CommandError("packer build", 1, ["Timeout waiting for SSH."])
    with pytest.raises(TemplateError) as failure:
        TemplateProvider().create(props)
    expected = f"The image {NAME} was not built; it stopped at: Waiting for SSH. packer build failed (exit code 1)"
    assert str(failure.value).startswith(expected)
    assert str(failure.value).endswith("Timeout waiting for SSH.")
    assert not [secret for secret in SECRETS.values() if secret in str(failure.value)]
    assert server.vms == []


def test_packer_is_missing(packer: Packer, props: dict[str, Any]) -> None:
    packer.missing = True
    with pytest.raises(TemplateError, match="`packer` is not on the PATH"):
        TemplateProvider().create(props)


def test_a_build_that_leaves_no_template(packer: Packer, props: dict[str, Any]) -> None:
    packer.makes["template"] = False
    with pytest.raises(TemplateError, match=f"There is no template {NAME} in the cluster"):
        TemplateProvider().create(props)


def test_a_template_is_found_by_its_name(server: Any, foreign: dict[str, Any]) -> None:
    server.add_vm(900, NAME, template=True, config=FIT, node="pve2")
    assert TemplateProvider().create(foreign).outs == {**foreign, "vmId": 900, "node": "pve2"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"agent": "0"}, r"its guest agent is off \(`qm set 900 --agent enabled=1`"),
        ({"ide0": "none,media=cdrom"}, r"it has no cloud-init drive \(`qm set 900 --ide0 STORAGE:cloudinit`"),
        ({"scsi0": "none,media=cdrom"}, "it has no disk at scsi0"),
    ],
)
def test_a_template_that_is_not_fit(server: Any, foreign: dict[str, Any], config: dict[str, str], message: str) -> None:
    server.add_vm(900, NAME, template=True, config={**FIT, **config})
    with pytest.raises(TemplateError, match=rf"{NAME} \(VMID 900\) cannot be used: {message}"):
        TemplateProvider().create(foreign)


def test_a_name_that_is_no_template(server: Any, kept: dict[str, Any]) -> None:
    server.add_vm(900, NAME)
    with pytest.raises(TemplateError, match=f"There is no template {NAME} in the cluster"):
        TemplateProvider().create(kept)


def test_a_name_that_two_templates_have(server: Any, foreign: dict[str, Any]) -> None:
    for vm_id in (900, 901):
        server.add_vm(vm_id, NAME, template=True, config=FIT)
    with pytest.raises(TemplateError, match=r"more than one template .*: VMID 900 on node pve1, VMID 901 on node pve1"):
        TemplateProvider().create(foreign)


def test_read(server: Any, props: dict[str, Any]) -> None:
    assert TemplateProvider().read(NAME, props | PLACE).id == ""
    server.add_vm(VM_ID, NAME, template=True)
    result = TemplateProvider().read(NAME, props | PLACE)
    assert (result.id, result.outs) == (NAME, props | PLACE)


def test_read_finds_a_template_that_moved(server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, NAME, template=True, node="pve2")
    assert TemplateProvider().read(NAME, props | PLACE).outs == props | PLACE | {"node": "pve2"}


def test_delete(server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, NAME, template=True)
    TemplateProvider().delete(NAME, props | PLACE)
    assert server.vm(VM_ID) is None
    TemplateProvider().delete(NAME, props | PLACE)


def test_delete_spares_what_took_its_vmid(server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, "mail", status="running")
    TemplateProvider().delete(NAME, props | PLACE)
    assert server.vm(VM_ID).status == "running"


def test_delete_spares_what_was_made_by_hand(server: Any, foreign: dict[str, Any]) -> None:
    server.add_vm(VM_ID, NAME, template=True)
    TemplateProvider().delete(NAME, foreign | PLACE)
    assert server.vm(VM_ID).template


def test_delete_names_the_linked_clones(server: Any, props: dict[str, Any]) -> None:
    server.add_vm(VM_ID, NAME, template=True, config=FIT)
    base = FIT["scsi0"].partition(",")[0]
    server.add_vm(2201, "paris-linked-1", config={"scsi0": f"{base}/2201/vm-2201-disk-0.qcow2,size=20G"})
    server.add_vm(2202, "paris-full-1", config={"scsi0": "nfs:2202/vm-2202-disk-0.qcow2,size=20G"})
    with pytest.raises(TemplateError, match=r"linked clones need it: paris-linked-1 \(VM 2201\)\. Remove them"):
        TemplateProvider().delete(NAME, props | PLACE)
    assert server.vm(VM_ID).template


@pytest.mark.parametrize(
    ("changes", "changed", "replaced"),
    [
        ({}, False, []),
        ({"__provider": "another pickle"}, False, []),
        ({"apiToken": "other", "preseed": "other", "userPassword": "other"}, True, []),
        ({"vmIdBase": 3000.0, "buildNode": "pve2"}, True, []),
        ({"name": "paris-debian-12-ba9876543210"}, True, ["name"]),
    ],
)
def test_diff_calls_nothing(
    server: Any, props: dict[str, Any], changes: dict[str, Any], changed: bool, replaced: list[str]
) -> None:
    diff = TemplateProvider().diff(NAME, props | PLACE, {**props, **changes})
    assert (diff.changes, diff.replaces) == (changed, replaced)
    assert server.requests == []


def test_a_built_image_becomes_a_kept_one_without_a_call(
    server: Any, props: dict[str, Any], kept: dict[str, Any]
) -> None:
    kept["machines"] = []
    assert TemplateProvider().diff(NAME, props | PLACE, kept).replaces == []
    assert TemplateProvider().update(NAME, props | PLACE, kept).outs == kept | PLACE
    assert server.requests == []


def test_one_machine_more_is_a_reason_to_look_again(server: Any, kept: dict[str, Any]) -> None:
    more = {**kept, "machines": ["paris-workers-1", "paris-workers-2"]}
    with pytest.raises(TemplateError, match=f"There is no template {NAME}"):
        TemplateProvider().update(NAME, kept | PLACE, more)
    rotated = {**kept, "apiToken": "other"}
    assert TemplateProvider().update(NAME, kept | PLACE, rotated).outs == rotated | PLACE
