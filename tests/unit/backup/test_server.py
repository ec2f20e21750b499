"""The playbook of the backup server, by real Ansible over real SSH: what is exported, and whose zones are copied."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from pulumi.dynamic import CheckResult

from components.backup.provider import BackupServerError, BackupServerProvider
from lab.proxmox import nfs
from tests.unit.kubernetes.machines import SSH_PORT, USER, Machines
from tests.unit.powerdns.server import DNS_PORT, Server

PROVIDER = BackupServerProvider()
KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
API_KEY = "an-api-key-of-the-secondary"
SECONDARY_PORT = 5353
LONGHORN, VZDUMP, ETCD = (f"/srv/backup/paris/{purpose}" for purpose in ("longhorn", "vzdump", "etcd"))
PATIENCE = 120.0
"""Seconds until a copy has to be there."""


def inputs(site: Machines, primary: Server, *zones: str) -> dict[str, Any]:
    [node] = site.nodes
    props = {
        "machine": node.name,
        "uuid": "5e6f1a0c-0000-4000-8000-000000000001",
        "address": node.address,
        "user": USER,
        "sshPort": float(SSH_PORT),
        "privateKey": site.private_key,
        "folder": "/srv/backup",
        "sites": {
            "paris": {
                "exports": {LONGHORN: ["127.85.0.0/16"], VZDUMP: ["127.85.0.1"], ETCD: []},
                "zones": list(zones),
                "primary": f"{primary.address}:{DNS_PORT}",
            }
        },
        "dnsPort": float(SECONDARY_PORT),
        "transferKey": KEY,
        "apiKey": API_KEY,
    }
    checked: CheckResult = PROVIDER.check({}, props)
    return dict(checked.inputs)


def declare(primary: Server, zone: str, secondary: str) -> None:
    """A zone that is told to others only if they sign for it."""
    primary.call("POST", "/tsigkeys", {"name": "oss-nextgen-transfer", "algorithm": "hmac-sha256", "key": KEY})
    primary.call(
        "POST",
        "/zones",
        {
            "name": zone,
            "kind": "Primary",
            "nameservers": [f"ns1.{zone}"],
            "master_tsig_key_ids": ["oss-nextgen-transfer."],
        },
    )
    primary.call("POST", f"/zones/{zone}/metadata", {"kind": "ALSO-NOTIFY", "metadata": [secondary]})
    primary.set(zone, f"www.{zone}", "A", "192.0.2.1")


def answer(site: Machines, name: str) -> list[str]:
    query = dns.message.make_query(name, "A")
    response = dns.query.udp(query, site.nodes[0].address, 5, SECONDARY_PORT)
    return [rdata.to_text() for rrset in response.answer for rdata in rrset]


def until(expected: Any, ask: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := ask()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def configured(site: Machines, primary: Server) -> dict[str, Any]:
    declare(primary, "ef-fr.dev.", f"{site.nodes[0].address}:{SECONDARY_PORT}")
    outs = PROVIDER.create(inputs(site, primary, "ef-fr.dev")).outs
    assert outs is not None
    return outs


def test_what_is_exported_and_to_whom(site: Machines, configured: dict[str, Any]) -> None:
    address = site.nodes[0].address
    nfs.check("store", address, VZDUMP, "127.85.0.1")
    nfs.check("store", address, LONGHORN, "127.85.0.2")
    # A machine of the site, with whose address its pods come.
    for directory, client in ((VZDUMP, "127.85.0.2"), (LONGHORN, "127.99.0.1")):
        with pytest.raises(nfs.MountError, match="access denied"):
            nfs.check("store", address, directory, client)
    # Without clients, it is not everybody's.
    for directory in (ETCD, "/srv/backup/lille/vzdump"):
        with pytest.raises(nfs.MountError, match="No such file"):
            nfs.check("store", address, directory, "127.85.0.1")
    root = site.root(site.nodes[0].name)
    # All are on one file system, on which a client could otherwise name any file.
    exported = [line.split("\t")[2].split(",") for line in (root / "var/lib/nfs/etab").read_text().splitlines()]
    assert [options for options in exported if "subtree_check" not in options] == []
    assert (root / VZDUMP.lstrip("/")).stat().st_mode & 0o777 == 0o700
    assert ETCD in (root / "etc/tmpfiles.d/oss-nextgen-backup.conf").read_text()


def test_a_zone_is_copied_after_a_change_too(site: Machines, primary: Server, configured: dict[str, Any]) -> None:
    until(["192.0.2.1"], lambda: answer(site, "www.ef-fr.dev"))
    primary.set("ef-fr.dev.", "www.ef-fr.dev.", "A", "192.0.2.2")
    primary.call("PUT", "/zones/ef-fr.dev./notify")
    until(["192.0.2.2"], lambda: answer(site, "www.ef-fr.dev"))


def test_a_second_run_changes_nothing_and_what_is_gone_goes(
    site: Machines, primary: Server, configured: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "log"))
    PROVIDER.create(inputs(site, primary, "ef-fr.dev"))
    assert changed(tmp_path / "log") == []

    PROVIDER.update("", configured, inputs(site, primary))
    assert changed(tmp_path / "log") == ["dns : Remove zones that no site has any more"]
    assert answer(site, "www.ef-fr.dev") == []


def changed(log: Path) -> list[str]:
    """The tasks that have changed something."""
    return re.findall(r"TASK \[(.*)\] \*+\n(?:(?!.*TASK).*\n)*?.*\| changed: ", log.read_text())


def test_no_task_tells_a_key(
    site: Machines, primary: Server, configured: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To whoever asks for each module's arguments, as a machine's journal does by itself."""
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "log"))
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "3")
    PROVIDER.create(inputs(site, primary, "l.ef-fr.dev"))
    log = (tmp_path / "log").read_text()
    assert "module_args" in log
    assert not {API_KEY, KEY} & set(re.findall(r"[\w-]+=*", log))


def test_a_machine_of_the_same_name_that_is_another_is_a_change(configured: dict[str, Any]) -> None:
    assert not PROVIDER.diff("", configured, configured).changes
    assert PROVIDER.diff("", configured, {**configured, "uuid": "another"}).changes
    older = {key: value for key, value in configured.items() if key != "uuid"}
    assert PROVIDER.read("storage", older).outs == older
    assert PROVIDER.diff("", older, configured).changes


@pytest.mark.parametrize(
    ("wrong", "value", "said"),
    [
        ("exports", {VZDUMP: ["everybody"]}, "Export the directories: .*everybody"),
        # A request with the key: of what failed, there is only the reason.
        (
            "primary",
            "nobody",
            "Add zones and correct .*: the output has been hidden .*Say why it failed: Status code was",
        ),
    ],
)
def test_a_failed_task_is_named_and_no_secret_is(
    site: Machines, primary: Server, wrong: str, value: Any, said: str
) -> None:
    props = inputs(site, primary, "wrong.ef-fr.dev")
    props["sites"]["paris"][wrong] = value
    with pytest.raises(BackupServerError, match=rf"(?s){said}") as failed:
        PROVIDER.create(props)
    assert not any(key in str(failed.value) for key in (KEY, API_KEY))


def test_another_key_of_the_api_takes_the_place_of_the_one_before(
    site: Machines, primary: Server, configured: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PROVIDER.update("", configured, {**configured, "apiKey": "another"})
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "log"))
    PROVIDER.update("", configured, {**configured, "apiKey": "another", "uuid": "of another machine"})
    assert changed(tmp_path / "log") == []


def test_what_was_written_is_in_force_after_a_failure(
    site: Machines, primary: Server, configured: dict[str, Any]
) -> None:
    props = inputs(site, primary, "ef-fr.dev") | {"apiKey": "the-third"}
    right = props["sites"]["paris"]["exports"]
    props["sites"]["paris"]["exports"] = {VZDUMP: ["everybody"]}
    with pytest.raises(BackupServerError, match="everybody"):
        PROVIDER.create(props)
    props["sites"]["paris"]["exports"] = right
    PROVIDER.create(props)
