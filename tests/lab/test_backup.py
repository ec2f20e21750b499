"""The backup server and a site that it keeps: up one after the other, looked at, restored by the book, and down again.

The tests of this file share one lab and run in order: each one builds on the one before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from lab import environment
from lab.layout import SERVICE_PORTS
from lab.proxmox import nfs
from tests.lab.conftest import LabUnderTest
from tests.lab.pipeline import Pipeline
from tests.lab.proxmox import ProxmoxSite
from tests.lab.waiting import wait_for
from tests.unit.powerdns.server import Server, running
from tests.unit.test_restore_document import OTHERS, commands

pytestmark = pytest.mark.timeout(1800)
SITE, ZONE = "toulouse", "toulouse.ef-fr.dev."
TSIG = "oss-nextgen-transfer"
STORAGE = "oss-nextgen-backup"


@pytest.fixture(scope="module")
def lab(clone: LabUnderTest) -> LabUnderTest:
    """Toulouse is one machine of each kind here, without services: its name server is the test's."""

    def change(values: dict[str, Any]) -> None:
        values.pop("services", None)
        values.pop("externalServices", None)
        for pool in values["pools"]:
            pool["count"] = 1

    clone.configure(SITE, change)
    return clone


@pytest.fixture(scope="module")
def primary(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    address = str(lab.site(SITE).dns_address)
    with running(tmp_path_factory.mktemp("primary"), address, {"local-port": str(SERVICE_PORTS["dnsPort"])}) as server:
        yield server


def server(lab: LabUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = lab.outputs("backup")["backup"]
    return found


def copied(lab: LabUnderTest, name: str) -> list[str]:
    """What the secondary answers."""
    known = server(lab)["dnsServer"]
    query = dns.message.make_query(name, "A")
    response = dns.query.udp(query, known["address"], 5, known["port"])
    return [rdata.to_text() for rrset in response.answer for rdata in rrset]


def _is_copied(lab: LabUnderTest, address: str) -> bool:
    return copied(lab, f"www.{ZONE}") == [address]


def test_a_site_alone_says_that_it_goes_without(lab: LabUnderTest) -> None:
    printed = lab.run("preview", SITE)

    assert "backup is not up in this lab: toulouse goes without backups" in printed
    assert "oss-nextgen:backup.stack names no stack: nothing of this site is kept anywhere else" in printed


def test_a_missing_stack_is_told_before_anything_is_touched(lab: LabUnderTest) -> None:
    result = lab.shell(
        SITE, "pulumi config set --path oss-nextgen:backup.stack nowhere && pulumi preview --non-interactive"
    )

    assert result.returncode != 0
    printed = result.stdout + result.stderr
    assert "There is no stack organization/oss-nextgen/nowhere: bring it up first: pulumi up -s nowhere" in printed
    assert "Traceback" not in printed
    assert "proxmoxve:index:VmLegacy" not in printed


def test_the_server_exports_directories_and_copies_zones(lab: LabUnderTest, primary: Server) -> None:
    lab.run("up", "backup")
    key = environment.transfer_key(lab.lab)
    known = server(lab)
    primary.call("POST", "/tsigkeys", {"name": TSIG, "algorithm": "hmac-sha256", "key": key})
    zone = {"name": ZONE, "kind": "Primary", "nameservers": [], "master_tsig_key_ids": [f"{TSIG}."]}
    primary.call("POST", "/zones", zone)
    secondary = f"{known['dnsServer']['address']}:{known['dnsServer']['port']}"
    primary.call("POST", f"/zones/{ZONE}/metadata", {"kind": "ALSO-NOTIFY", "metadata": [secondary]})

    for address in ("192.0.2.1", "192.0.2.2"):
        primary.set(ZONE, f"www.{ZONE}", "A", address)
        primary.call("PUT", f"/zones/{ZONE}/notify")
        wait_for(partial(_is_copied, lab, address))

    site = lab.site(SITE)
    nfs.check("", known["server"], known["sites"][SITE]["vzdump"], str(site.proxmox))
    with pytest.raises(nfs.MountError, match="access denied"):
        nfs.check("", known["server"], known["sites"][SITE]["vzdump"], str(lab.site("paris").proxmox))
    printed = lab.run("verify", "backup", 1)
    assert re.search(r"^store +NFS +pass ", printed, re.MULTILINE), printed
    assert re.search(r"^store +free space +pass +\d+ of \d+ GiB are free", printed, re.MULTILINE), printed
    assert re.search(rf"^copy +{ZONE[:-1]} +pass +serial \d+, as at {primary.address}:", printed, re.MULTILINE), printed
    # Paris is not up.
    assert re.search(r"^copy +ef-fr\.dev +FAIL .*nor is there anything to copy", printed, re.MULTILINE), printed
    assert key not in "".join(lab.printed)
    assert key not in lab.arguments


def test_a_server_that_is_made_anew_serves_again(lab: LabUnderTest, primary: Server) -> None:
    """Under the name, the address and the MAC address of the one that was lost."""
    proxmox, known = ProxmoxSite(lab, "backup"), server(lab)
    [vm_id] = proxmox.machines()
    proxmox.delete_by_hand(vm_id)

    lab.run("refresh", "backup")
    lab.run("up", "backup")

    assert server(lab) == known
    nfs.check("", known["server"], known["sites"][SITE]["vzdump"], str(lab.site(SITE).proxmox))
    wait_for(partial(_is_copied, lab, "192.0.2.2"))
    assert lab.shell("backup", "pulumi preview --expect-no-changes --non-interactive").returncode == 0


def test_the_site_has_its_machines_and_its_etcd_saved_there(lab: LabUnderTest) -> None:
    lab.run("up", SITE)

    known, proxmox = server(lab), ProxmoxSite(lab, SITE)
    storage = proxmox.call("GET", f"/storage/{STORAGE}")
    assert (storage["server"], storage["export"]) == (known["server"], known["sites"][SITE]["vzdump"])
    [job] = proxmox.call("GET", "/cluster/backup")
    assert (job["storage"], job["schedule"]) == (STORAGE, "02:00")
    backed_up = {int(vm_id) for vm_id in job["vmid"].split(",")}
    assert backed_up == {vm_id for vm_id, name in proxmox.machines().items() if "-workers-" not in name}
    result = lab.shell(SITE, "kubectl --namespace kube-system get cronjob etcd-snapshots --output json")
    volumes = json.loads(result.stdout)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "store", "nfs": {"server": known["server"], "path": known["sites"][SITE]["etcd"]}} in volumes
    for stack in ("backup", SITE):
        assert lab.shell(stack, "pulumi preview --expect-no-changes --non-interactive").returncode == 0


def test_the_pipelines_jobs_know_of_backups(lab: LabUnderTest) -> None:
    for site in ("backup", SITE):
        pipeline = Pipeline(lab, site, {})
        assert f"{site}: no changes" in pipeline.run("preview")
        assert "no certificate is due" in pipeline.run("renewal")
        log = pipeline.run("state")

    assert f"{SITE}.json and backup-storage-1:{server(lab)['sites'][SITE]['etcd'].replace('etcd', 'state')}/" in log
    kept = (lab.repository / "states" / f"{SITE}.json").read_text()
    assert '"ciphertext"' in kept
    assert json.loads(lab.site(SITE).proxmox_config.read_text())["token"]["secret"] not in kept


def test_the_book_of_restores_is_right(lab: LabUnderTest, tmp_path: Path) -> None:
    script = "\n".join(["set -eux", f"export SITE={SITE} WORK={tmp_path}", *commands(OTHERS, run=True)])

    result = lab.shell(SITE, script)

    assert result.returncode == 0, result.stdout + result.stderr
    assert lab.shell(SITE, "pulumi preview --expect-no-changes --non-interactive").returncode == 0


def test_a_storage_that_moved_takes_the_place_of_the_one_before(lab: LabUnderTest) -> None:
    lab.configure("backup", lambda values: values["backupServer"].update(folder="/srv/moved"))
    lab.run("up", "backup")
    lab.run("up", SITE)

    proxmox = ProxmoxSite(lab, SITE)
    assert proxmox.call("GET", f"/storage/{STORAGE}")["export"] == f"/srv/moved/{SITE}/vzdump"
    assert [job["storage"] for job in proxmox.call("GET", "/cluster/backup")] == [STORAGE]
    assert lab.shell(SITE, "pulumi preview --expect-no-changes --non-interactive").returncode == 0


def test_nothing_is_left(lab: LabUnderTest) -> None:
    lab.run("destroy", SITE)
    proxmox = ProxmoxSite(lab, SITE)
    assert STORAGE not in {storage["storage"] for storage in proxmox.call("GET", "/storage")}
    assert proxmox.call("GET", "/cluster/backup") == []

    lab.run("destroy", "backup")
    assert ProxmoxSite(lab, "backup").machines() == {}
