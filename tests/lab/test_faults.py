"""A pool's life, and what may go wrong in it: one site of storage machines, grown by one or two at each step.

Toulouse with two Proxmox nodes that share no storage, so that every other clone is migrated. The steps follow each
other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from lab.proxmox.faults import Faults, Refusal
from tests.lab.conftest import LabUnderTest
from tests.lab.proxmox import ProxmoxSite
from tests.lab.waiting import wait_for

pytestmark = pytest.mark.timeout(1800)
SITE = "toulouse"
NODES = ["pve-tls-1", "pve-tls-2"]
POOL = {"name": "store", "role": "storage", "count": 1, "vmIdOffset": 301}
SLOW = {"qmclone": 5.0}


@pytest.fixture(scope="module")
def site(clone: LabUnderTest) -> ProxmoxSite:
    """Up, with one machine."""

    def small(values: dict[str, Any]) -> None:
        for section in ("kubernetes", "services", "externalServices"):
            values.pop(section, None)
        values["proxmox"]["nodes"] = NODES
        values["pools"] = [POOL]

    clone.configure(SITE, small)
    clone.run("up", SITE)
    return ProxmoxSite(clone, SITE)


@pytest.fixture(autouse=True)
def _mended(site: ProxmoxSite) -> Iterator[None]:
    yield
    site.faults.write(Faults())


@pytest.fixture
def grow(clone: LabUnderTest, site: ProxmoxSite) -> Callable[[int], dict[int, str]]:
    """Asks for more machines; returns all that the API must list then."""

    def grow(by: int) -> dict[int, str]:
        count = len(site.machines()) + by
        change(clone, count=count)
        return expected(count)

    return grow


def change(clone: LabUnderTest, **changes: Any) -> None:
    clone.configure(SITE, lambda values: values["pools"][0].update(changes))


def expected(count: int) -> dict[int, str]:
    return {3300 + number: f"{SITE}-store-{number}" for number in range(1, count + 1)}


def test_changes_of_size_happen_in_place(clone: LabUnderTest, site: ProxmoxSite) -> None:
    change(clone, cores=3, memoryMib=5120, diskGib=50)
    before = site.position()

    printed = clone.run("up", SITE)

    vm = "/nodes/pve-tls-1/qemu/3301"
    assert set(site.writes(before)) == {f"PUT {vm}/config", f"PUT {vm}/resize"}
    config = site.call("GET", f"{vm}/pending")
    pending = {entry["key"]: int(entry["pending"]) for entry in config if "pending" in entry}
    assert pending == {"cores": 3, "memory": 5120}
    assert "VM 3301 needs a reboot to apply: cores, memory" in printed
    assert site.call("GET", f"{vm}/status/current")["status"] == "running"


def test_a_smaller_disk_is_refused_in_the_preview(clone: LabUnderTest, site: ProxmoxSite) -> None:
    change(clone, diskGib=40)
    try:
        printed = clone.run("preview", SITE, code=1)
    finally:
        change(clone, diskGib=50)
    said = "the disk of toulouse-store-1 has 50 GiB, and diskGib is now 40: a disk can grow but not shrink"
    assert said in " ".join(printed.split())


def test_a_disk_that_did_not_grow_is_taken_back(clone: LabUnderTest, site: ProxmoxSite) -> None:
    change(clone, diskGib=5000)
    site.faults.write(Faults(refusals=(Refusal(method="PUT", path="/resize", message="out of space"),)))
    assert "out of space" in clone.run("up", SITE, code=1)

    change(clone, diskGib=50)
    clone.run("up", SITE)

    result = clone.shell(SITE, "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_clone_that_fails_once_is_tried_again(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(1)
    timeout = "can't lock file '/var/lock/qemu-server/lock-3000.conf' - got timeout"
    site.faults.write(Faults(refusals=(Refusal(method="POST", path="/clone", message=timeout),)))
    before = site.position()

    clone.run("up", SITE)

    assert site.machines() == wanted
    touched = {line.split("/qemu/")[1].split("/")[0] for line in site.writes(before)}
    template = str(clone.outputs(SITE)["image"]["vmId"])
    assert touched == {"3302", template}, "growing a pool touches no other machine"


def test_a_clone_that_fails_for_good(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(1)
    full = Refusal(method="POST", path="/clone", message="no space left on storage local-zfs")
    site.faults.write(Faults(refusals=(full,)))

    assert "no space left on storage local-zfs" in clone.run("up", SITE, code=1)

    clone.run("up", SITE)
    assert site.machines() == wanted


def test_a_node_that_goes_offline_in_the_middle(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(2)
    site.faults.write(Faults(seconds=SLOW))
    up = clone.start("up", SITE)
    site.wait_for_machine(3304, up)
    site.faults.write(Faults(seconds=SLOW, offline=("pve-tls-2",)))
    printed, _ = up.communicate(timeout=300)
    assert up.returncode == 1, printed
    assert "task qmigrate on node pve-tls-1 failed: migration aborted" in printed

    # Its clone was left on the template's node, and the state knows nothing of it.
    site.faults.write(Faults())
    assert "removing VM 3304 toulouse-store-4: it was cloned, and its creation failed" in clone.run("up", SITE)
    assert site.machines() == wanted
    assert [node["proxmoxNode"] for node in clone.outputs(SITE)["nodes"]] == [NODES[n % 2] for n in range(len(wanted))]


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(quorate=False), "the cluster lab has no quorum: bring its missing nodes back"),
        (Faults(withheld=("VM.Clone",)), "the API token oss-nextgen@pve!pulumi lacks VM.Clone on /vms"),
    ],
    ids=["quorum", "right"],
)
def test_a_cluster_that_is_not_fit_is_left_alone(
    clone: LabUnderTest, site: ProxmoxSite, faults: Faults, message: str
) -> None:
    change(clone, count=len(site.machines()) + 1)
    site.faults.write(faults)
    before = site.position()

    assert message in clone.run("up", SITE, code=1)

    assert site.writes(before) == []
    change(clone, count=len(site.machines()))


def test_agents_that_report_no_address_or_several(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(3)
    silent, none, several = list(wanted.values())[-3:]
    clone.configure(SITE, lambda values: values["proxmox"].update(bootSeconds=20))
    site.faults.write(Faults(agents={silent: "silent", none: "no-ipv4", several: "several"}))

    try:
        printed = clone.run("up", SITE, code=1)
    finally:
        clone.configure(SITE, lambda values: values["proxmox"].pop("bootSeconds"))

    assert f"No address after 20 s (proxmox.bootSeconds). {silent} (VM" in printed
    assert f"{none} (VM" in printed
    assert "its guest agent reported no interface" in printed
    assert "has no IPv4 address, only fe80::" in printed
    assert site.machines() == wanted

    site.faults.write(Faults(agents={several: "several"}))
    before = site.position()
    clone.run("up", SITE)
    assert not [line for line in site.writes(before) if line.startswith("POST")], "the machines were there already"
    leases = {node["name"]: node["address"] for node in clone.outputs(SITE)["nodes"]}
    assert leases[several].startswith(str(clone.site(SITE).machines[0]).removesuffix(".0"))
    assert len(set(leases.values())) == len(wanted)


def test_a_killed_engine_leaves_no_duplicate(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(2)
    # Still at work when the recovery comes.
    site.faults.write(Faults(seconds={"qmclone": 10.0}))
    up = clone.start("up", SITE)
    site.wait_for_machine(max(wanted), up)
    clone.kill_engine(SITE)
    printed, _ = up.communicate(timeout=300)
    assert up.returncode != 0, printed
    site.faults.write(Faults())
    # A clone is made on the template's node.
    assert site.call("GET", f"/nodes/{NODES[0]}/qemu/{max(wanted)}/config")["lock"] == "clone"

    assert "recovery" in clone.run("up", SITE)

    assert site.machines() == wanted
    result = clone.shell(SITE, "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_dead_service_is_named_with_its_log(clone: LabUnderTest, site: ProxmoxSite, grow: Any) -> None:
    wanted = grow(1)
    site.faults.write(Faults(seconds=SLOW))
    up = clone.start("up", SITE)
    site.wait_for_machine(max(wanted), up)
    record = json.loads((clone.site(SITE).services / "proxmox.json").read_text())
    psutil.Process(record["pid"]).kill()
    printed, _ = up.communicate(timeout=300)
    assert up.returncode == 1
    assert "proxmox died" in printed
    assert "proxmox.log" in printed
    site.faults.write(Faults())

    clone.run("up", SITE)
    assert site.machines() == wanted


def test_a_smaller_pool_loses_its_last_machines(clone: LabUnderTest, site: ProxmoxSite) -> None:
    change(clone, count=2)
    before = site.position()
    clone.run("up", SITE)
    assert site.machines() == expected(2)
    assert not [line for line in site.writes(before) if "/qemu/3301" in line or "/qemu/3302" in line]


def test_a_machine_that_goes_while_the_engine_is_killed(clone: LabUnderTest, site: ProxmoxSite) -> None:
    change(clone, count=1)
    site.faults.write(Faults(seconds={"qmdestroy": 5.0}))
    before = site.position()
    up = clone.start("up", SITE)
    wait_for(lambda: any(line.startswith("DELETE") for line in site.writes(before)))
    clone.kill_engine(SITE)
    printed, _ = up.communicate(timeout=300)
    assert up.returncode != 0, printed
    wait_for(lambda: site.machines() == expected(1))

    assert "looked at again: store-2" in clone.run("up", SITE)

    result = clone.shell(SITE, "pulumi preview --expect-no-changes")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_machine_without_ssh(clone: LabUnderTest, site: ProxmoxSite) -> None:
    """The same site, now with a cluster."""

    def cluster(values: dict[str, Any]) -> None:
        values["kubernetes"] = {"apiServer": "10.31.10.10"}
        values["proxmox"]["bootSeconds"] = 30
        values["pools"] = [
            {"name": "masters", "role": "control-plane", "count": 1, "vmIdOffset": 101},
            {"name": "workers", "role": "worker", "count": 1, "vmIdOffset": 201},
        ]

    clone.configure(SITE, cluster)
    site.faults.write(Faults(without_ssh=("toulouse-workers-1",)))

    printed = clone.run("up", SITE, code=1)

    address = site.call("GET", "/nodes/pve-tls-1/qemu/3201/agent/network-get-interfaces")["result"][1]["ip-addresses"]
    assert "kubernetes-ready-toulouse-workers-1" in printed
    assert f"cannot connect to ossng@{address[0]['ip-address']}:2222" in printed

    site.faults.write(Faults())
    site.call("POST", "/nodes/pve-tls-1/qemu/3201/status/reset")
    clone.run("up", SITE)
    assert site.machines() == {3101: "toulouse-masters-1", 3201: "toulouse-workers-1"}
    assert "2" in clone.shell(SITE, "kubectl get nodes --no-headers | wc -l").stdout


def test_destroy_leaves_no_machine(clone: LabUnderTest, site: ProxmoxSite) -> None:
    clone.run("destroy", SITE)
    assert site.machines() == {}
