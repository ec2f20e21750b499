"""The life of golden images on one small site, in the order of the tests: builds that fail or are cut short, then
one after the other, kept, pinned, made by hand and imported."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pytest

from lab.layout import SSH_PORT
from lab.proxmox.faults import Faults, Refusal
from lab.services.catalog import MEDIUM
from tests.lab.conftest import LabUnderTest
from tests.lab.proxmox import ProxmoxSite
from tests.lab.waiting import wait_for

pytestmark = pytest.mark.timeout(1800)
SITE = "toulouse"
STORE, SPARE = 3101, 3201
"""VMIDs of the two machines."""
NODE = "pve-tls-1"
HANDMADE = "debian-golden"
CLOUD_IMAGE = {"url": "https://images.example.org/debian-12.qcow2", "sha256": "0" * 64}
"""The lab puts its own in the place of it."""

Change = Callable[[dict[str, Any]], None]


class Images:
    """The site, and what Proxmox VE says of it."""

    def __init__(self, clone: LabUnderTest) -> None:
        self.clone = clone
        self.proxmox = ProxmoxSite(clone, SITE)
        self.names: list[str] = []
        """Of the golden images, in the order in which they came."""

    def up(self, change: Change | None = None, code: int = 0) -> str:
        if change:
            self.clone.configure(SITE, change)
        printed = self.clone.run("up", SITE, code)
        if code == 0:
            name = self.clone.outputs(SITE)["image"]["name"]
            self.names += [name] if name not in self.names else []
        return printed

    def task(self, method: str, path: str, **data: str) -> None:
        upid = self.proxmox.call(method, path, **data)
        wait_for(lambda: self.proxmox.call("GET", f"/nodes/{NODE}/tasks/{upid}/status")["status"] == "stopped")

    def guests(self, *, template: bool) -> dict[str, int]:
        """Name -> VMID of the templates, or of what is none."""
        guests = self.proxmox.call("GET", "/cluster/resources?type=vm")
        return {guest["name"]: guest["vmid"] for guest in guests if bool(guest.get("template")) == template}

    def root(self, vm_id: int) -> Any:
        """A guest's file system."""
        return self.clone.site(SITE).home / "proxmox/guests" / str(vm_id) / "root"


def no_cluster(values: dict[str, Any]) -> None:
    """Machines alone: this is about what they are cloned from."""
    for key in ("kubernetes", "services"):
        values.pop(key)
    values["pools"] = [
        {"name": "stores", "role": "storage", "count": 1, "vmIdOffset": 101},
        {"name": "spares", "role": "storage", "count": 1, "vmIdOffset": 201},
    ]


def image(**values: Any) -> Change:
    return lambda settings: settings.update(image=values)


def both(*changes: Change) -> Change:
    def change(settings: dict[str, Any]) -> None:
        for each in changes:
            each(settings)

    return change


def spares(**values: Any) -> Change:
    return lambda settings: settings["pools"][1].update(values)


def unpinned(settings: dict[str, Any]) -> None:
    settings["pools"][1].pop("image")


@pytest.fixture(scope="module")
def images(clone: LabUnderTest) -> Images:
    clone.configure(SITE, no_cluster)
    return Images(clone)


@pytest.fixture
def untouched(images: Images) -> Iterator[None]:
    """No machine that is there is changed, restarted or removed by the test."""
    there, before = images.guests(template=False), images.proxmox.position()
    yield
    ids = "|".join(str(vm_id) for vm_id in there.values())
    assert [each for each in images.proxmox.writes(before) if re.search(rf"/qemu/({ids})(/|$)", each)] == []


def test_a_build_that_times_out_leaves_nothing(images: Images) -> None:
    result = images.clone.shell(SITE, "PKR_VAR_ssh_timeout=100ms pulumi up --yes --skip-preview --non-interactive")
    printed = result.stdout + result.stderr
    assert result.returncode != 0, printed
    assert "was not built; it stopped at: Waiting for SSH. packer build failed (exit code 1)" in printed
    assert "Timeout waiting for SSH." in printed.rpartition("its last lines:")[2]
    assert images.guests(template=False) == images.guests(template=True) == {}


def test_an_engine_killed_in_a_build_leaves_no_orphan(images: Images) -> None:
    before = images.proxmox.position()
    run = images.clone.start("up", SITE)
    wait_for(lambda: any("/status/start" in each for each in images.proxmox.writes(before)))
    images.clone.kill_engine(SITE)
    printed, _ = run.communicate(timeout=300)
    assert run.returncode != 0, printed

    images.up()

    assert list(images.guests(template=True)) == images.names
    assert images.guests(template=False) == {"toulouse-stores-1": STORE, "toulouse-spares-1": SPARE}
    result = images.clone.shell(SITE, "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_clones_are_different_machines(images: Images) -> None:
    for name in ("etc/machine-id", "etc/ssh/ssh_host_ed25519_key.pub"):
        texts = [(images.root(vm_id) / name).read_text() for vm_id in (STORE, SPARE)]
        assert all(texts), name
        assert len(set(texts)) == len(texts), name
    # Debian's open-iscsi makes a name of its own of this when it starts.
    names = [(images.root(vm_id) / "etc/iscsi/initiatorname.iscsi").read_text() for vm_id in (STORE, SPARE)]
    assert names == ["GenerateName=yes\n"] * 2
    names = [(images.root(vm_id) / "etc/hostname").read_text() for vm_id in (STORE, SPARE)]
    assert names == ["toulouse-stores-1\n", "toulouse-spares-1\n"]


def test_nobody_logs_in_with_a_password(images: Images) -> None:
    for node in images.clone.outputs(SITE)["nodes"]:
        methods = asyncio.run(asyncssh.get_server_auth_methods(node["address"], SSH_PORT, "ossng"))
        assert methods == ["publickey"]


def test_an_installer_from_another_address_is_there_in_the_end(images: Images, untouched: None) -> None:
    """Under the name of the one before, which has to go."""
    mirror = images.clone.lab.home / "mirror"
    (mirror / "moved").mkdir(exist_ok=True)
    (mirror / "moved" / MEDIUM).write_bytes((mirror / MEDIUM).read_bytes())
    file = images.clone.repository.parent / "moved.yaml"
    file.write_text(images.clone.site(SITE).stack_file.read_text().replace(f"/{MEDIUM}", f"/moved/{MEDIUM}"))
    before = images.proxmox.position()

    # That alone: another address of the installer is another recipe.
    up = "pulumi up --yes --skip-preview --non-interactive --target '**download/file:File**'"
    result = images.clone.shell(SITE, f"export PULUMI_OPTION_CONFIG_FILE={file}; {up}")

    assert result.returncode == 0, result.stdout + result.stderr
    assert any(each.endswith("/download-url") for each in images.proxmox.writes(before))
    there = [each["volid"] for each in images.proxmox.call("GET", f"/nodes/{NODE}/storage/local/content")]
    assert f"local:iso/{MEDIUM}" in there


def test_a_new_recipe_builds_beside_the_kept_image(images: Images, untouched: None) -> None:
    images.clone.configure(SITE, image(diskGib=21, keep=images.names))
    preview = images.clone.run("preview", SITE)
    assert re.search(r" \+ +pulumi-python:dynamic/images:Template image-toulouse-debian-12-\w+ create", preview)
    assert "VmLegacy" not in preview
    images.up()
    assert sorted(images.guests(template=True)) == sorted(images.names)
    assert len(images.names) == 2


def test_a_pinned_pool_grows_from_its_image(images: Images, untouched: None) -> None:
    pinned, before = images.names[0], images.proxmox.position()
    images.up(both(image(diskGib=21), spares(count=2, image=pinned)))
    made = [each for each in images.proxmox.writes(before) if each.endswith("/clone")]
    assert made == [f"POST /nodes/{NODE}/qemu/{images.guests(template=True)[pinned]}/clone"]
    assert sorted(images.guests(template=True)) == sorted(images.names)


def test_an_image_that_nothing_names_any_more_goes(images: Images, untouched: None) -> None:
    images.up(unpinned)
    assert list(images.guests(template=True)) == images.names[1:]


def test_a_build_that_fails_leaves_the_image_of_before(images: Images, untouched: None) -> None:
    full = Refusal(method="POST", path=f"/nodes/{NODE}/qemu", message="no space left on storage local-zfs", times=5)
    images.proxmox.faults.write(Faults(refusals=(full,)))
    try:
        printed = images.up(image(diskGib=22), code=1)
    finally:
        images.proxmox.faults.write(Faults())
        images.clone.configure(SITE, image(diskGib=21))
    assert "was not built" in printed
    assert list(images.guests(template=True)) == images.names[1:]


def test_a_pinned_image_has_to_be_there(images: Images, untouched: None) -> None:
    printed = images.up(spares(count=3, image=HANDMADE), code=1)
    assert f"There is no template {HANDMADE} in the cluster, only {images.names[1]}: see image" in printed


def test_a_template_made_by_hand_is_checked(images: Images, untouched: None) -> None:
    golden = images.guests(template=True)[images.names[1]]
    images.task("POST", f"/nodes/{NODE}/qemu/{golden}/clone", newid="900", name=HANDMADE, full="1")
    images.proxmox.call("PUT", f"/nodes/{NODE}/qemu/900/config", agent="0", delete="ide0")
    images.task("POST", f"/nodes/{NODE}/qemu/900/template")
    printed = images.up(code=1)
    assert f"The template {HANDMADE} (VMID 900) cannot be used: its guest agent is off" in printed
    assert "it has no cloud-init drive" in printed


def test_a_pool_grows_from_a_template_made_by_hand(images: Images, untouched: None) -> None:
    images.proxmox.call("PUT", f"/nodes/{NODE}/qemu/900/config", agent="enabled=1", ide0="local-zfs:cloudinit")
    before = images.proxmox.position()
    images.up()
    assert f"POST /nodes/{NODE}/qemu/900/clone" in images.proxmox.writes(before)


def test_a_site_can_live_on_a_template_made_by_hand(images: Images, untouched: None) -> None:
    images.up(image(source="existing", template=HANDMADE))
    assert list(images.guests(template=True)) == [HANDMADE]


def test_an_imported_cloud_image_makes_machines(images: Images, untouched: None) -> None:
    images.up(both(image(source="cloud-image", cloudImage=CLOUD_IMAGE), spares(count=4), unpinned))
    golden = images.names[-1]
    assert sorted(images.guests(template=True)) == sorted([HANDMADE, golden])
    config = images.proxmox.call("GET", f"/nodes/{NODE}/qemu/{images.guests(template=True)[golden]}/config")
    assert config["vga"] == "serial0"
    node = images.clone.outputs(SITE)["nodes"][-1]
    assert asyncio.run(asyncssh.get_server_auth_methods(node["address"], SSH_PORT, "ossng")) == ["publickey"]
    assert (images.root(node["vmId"]) / "etc/hostname").read_text() == f"{node['name']}\n"


def test_what_others_made_outlives_the_site(images: Images) -> None:
    images.clone.run("destroy", SITE)
    assert images.guests(template=False) == {}
    assert list(images.guests(template=True)) == [HANDMADE]
