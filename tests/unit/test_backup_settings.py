"""Rules of `backup` and `backupServer`: each broken once, and what a person then reads."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from pydantic import SecretStr

from settings import Settings
from tests.unit.settings.cases import STORAGE_POOL, TOKEN, VALID, Case, Raw, problems_of, put

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENTS = {"networks": ["10.59.10.0/24"], "proxmoxNodes": ["10.59.10.5"], "controlPlane": ["10.59.10.101"]}
METZ = {"networks": ["10.57.10.0/24"], "proxmoxNodes": ["10.57.10.5"], "controlPlane": []}
SITES = {"lille": {**CLIENTS, "zones": ["lille.ef-fr.dev"], "dnsAddress": "10.59.10.200"}}
PBS = {"server": "10.75.20.7", "datastore": "sites", "username": "s@pbs!p", "fingerprint": ":".join(["ab"] * 32)}
KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
PBS_TOKEN = SecretStr(TOKEN.partition("=")[2])
SERVER: Raw = {
    **{key: value for key, value in VALID.items() if key != "kubernetes"},
    "dnsTransferKey": SecretStr(KEY),
    "pools": [{**STORAGE_POOL, "count": 1}],
    "backupServer": {"sites": SITES},
}
CASES = [
    Case("bad-calendar", put("backup.schedule", "2 am"), ('backup.schedule is "2 am"', "such as 02:00")),
    Case("bad-folder", put("backupServer.folder", "/a b"), ('backupServer.folder is "/a b"', "absolute path")),
    Case("backup-of-itself", put("backup.stack", "paris"), ("backup.stack", "another server")),
    Case("backup-machine", put("pools.0.count", 2), ("backupServer", "one machine", "there are 2")),
    Case(
        "zones-without-primary",
        put("backupServer.sites.lille.dnsAddress", None),
        ("backupServer.sites.lille.zones", "dnsAddress"),
    ),
    Case(
        "duplicate-secondary-zone",
        put("backupServer.sites.metz", {**SITES["lille"], **METZ}),
        ("sites.metz.zones[0]", "lille.ef-fr.dev", "is already backupServer.sites.lille.zones[0]"),
    ),
    Case(
        "open-export",
        put("backupServer.sites.lille.networks", ["0.0.0.0/0"]),
        ('backupServer.sites.lille.networks[0] is "0.0.0.0/0"', "/8 or smaller"),
    ),
    Case(
        "shared-export",
        put("backupServer.sites.metz", {**METZ, "networks": ["10.57.10.0/24", "10.59.0.0/16"]}),
        (
            'backupServer.sites.metz.networks[1] is "10.59.0.0/16"',
            "must not overlap with backupServer.sites.lille.networks[0], 10.59.10.0/24",
        ),
    ),
    Case(
        "backup-dns-port-taken",
        put("backupServer.dnsPort", 8081),
        ("backupServer.dnsPort is 8081", "this one is the name server's own API's"),
    ),
    Case(
        "ssh-port-taken",
        put("access.sshPort", 53),
        ("access.sshPort is 53", "this one is the name server's (backupServer.dnsPort)"),
    ),
    Case(
        "unknown-key",
        put("backupServer.sites.lille.zone", "lille.ef-fr.dev"),
        ("backupServer.sites.lille.zone is not a setting", "did you mean zones?"),
    ),
    Case(
        "missing-key",
        put("backupServer.sites.metz", {key: METZ[key] for key in ("networks", "controlPlane")}),
        ("backupServer.sites.metz.proxmoxNodes is missing", "Who may mount its directory for vzdump"),
    ),
    Case(
        "bad-name",
        put("backupServer.sites.Metz", METZ),
        ('backupServer.sites.Metz is "Metz"', "2 to 24 of a-z"),
    ),
    Case("missing-secret", lambda raw: raw.pop("dnsTransferKey"), ("dnsTransferKey is missing", "openssl rand")),
    Case(
        "bad-token-id",
        lambda raw: (put("backupServer.pbs", {**PBS, "username": "root@pam"})(raw), put("pbsToken", PBS_TOKEN)(raw)),
        ('pbs.username is "root@pam"', "user@realm!token", "pbsToken"),
    ),
    Case(
        "name-in-own-zone",
        lambda raw: (put("backupServer.pbs", {**PBS, "server": "pbs.ef-fr.dev"})(raw), put("pbsToken", PBS_TOKEN)(raw)),
        ('backupServer.pbs.server is "pbs.ef-fr.dev"', "an address, or a name outside ef-fr.dev"),
    ),
    Case("malformed-secret", put("dnsTransferKey", SecretStr("short")), ("dnsTransferKey (not shown)", "32 bytes")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    raw = copy.deepcopy(SERVER)
    case.change(raw)

    problems = problems_of(raw)

    assert list(problems) == [case.rule]
    line = problems[case.rule][0]
    assert all(part in line for part in case.says), line
    assert KEY not in line


@pytest.mark.parametrize("key", ["proxmoxNodes", "controlPlane"])
def test_no_directory_of_a_site_is_another_sites(key: str) -> None:
    raw = copy.deepcopy(SERVER)
    put("backupServer.sites.metz", {**METZ, key: ["10.59.10.77"]})(raw)

    [line] = problems_of(raw)["shared-export"]

    assert f'sites.metz.{key}[0] is "10.59.10.77": must not overlap with backupServer.sites.lille.networks[0]' in line


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


def test_only_a_backup_server_needs_the_transfer_key() -> None:
    assert Settings.parse("Pulumi.paris.yaml", "paris", VALID).backup.stack is None


def test_a_proxmox_backup_server_needs_its_token() -> None:
    server = {**SERVER, "backupServer": {"sites": SITES, "pbs": PBS}}
    assert "pbsToken is missing" in problems_of(server)["missing-secret"][0]
    Settings.parse("Pulumi.paris.yaml", "paris", {**server, "pbsToken": PBS_TOKEN})


def test_a_tokens_secret_is_not_taken_for_its_name_and_not_shown() -> None:
    pbs = {**PBS, "username": "s@pbs!p=6f1d1c5e-2b1f-4a55-9d0e-7a3f0c9b8e21"}

    problems = problems_of({**SERVER, "backupServer": {"sites": SITES, "pbs": pbs}, "pbsToken": PBS_TOKEN})

    [line] = problems["bad-token-id"]
    assert line.startswith(
        'oss-nextgen:backupServer.pbs.username is "s@pbs!p=...": must be user@realm!token, without ='
    )


def test_the_server_knows_every_site_as_it_is() -> None:
    """What the backup server's file says of a site is what the site's own file says."""
    server = Settings.read(REPOSITORY / "Pulumi.backup.yaml").backup_server
    assert server is not None
    for name in ("paris", "toulouse", "marseille", "lille"):
        site, known = Settings.read(REPOSITORY / f"Pulumi.{name}.yaml"), server.sites[name]
        assert site.backup.stack == "backup"
        assert site.network.cidr in known.networks
        assert len(known.proxmox_nodes) == len(site.proxmox.nodes)
        machines = sum(pool.count for pool in site.pools if pool.role == "control-plane")
        assert len({each for each in known.control_plane if each in site.network.dhcp}) == machines
        assert site.services is not None
        assert (known.zones, known.dns_address) == (site.domains, site.services.dns_address)
