"""The preflight against a real HTTP API."""

import re
from pathlib import Path
from typing import Any

import pytest

from components.preflight import VM_PRIVILEGES, PreflightError, PreflightProvider

TOKEN_ID = "oss-nextgen@pve!pulumi"
GRANTS = {
    "/": ["Sys.Audit"],
    "/vms": [*VM_PRIVILEGES, "VM.Migrate"],
    "/nodes/pve1": ["Sys.AccessNetwork"],
    "/storage/local": ["Datastore.AllocateTemplate", "Datastore.Audit"],
    "/storage/local-lvm": ["Datastore.AllocateSpace", "Datastore.Audit"],
    "/storage/fast": ["Datastore.AllocateSpace", "Datastore.Audit"],
    "/sdn/zones/localnetwork/vmbr0": ["SDN.Use"],
    "/sdn/zones/localnetwork/vmbr1/75": ["SDN.Use"],
}
MASTERS = {
    "name": "masters",
    "machines": {"paris-masters-1": 2101.0},
    "nodes": ["pve1", "pve2"],
    "storage": "local-lvm",
    "network": "vmbr0",
}
FAST = {
    "name": "fast",
    "machines": {"paris-fast-1": 2301.0},
    "nodes": ["pve2"],
    "storage": "fast",
    "network": "vmbr1/75",
}


@pytest.fixture
def props(proxmox: Any, proxmox_token: str) -> dict[str, Any]:
    """Inputs that a healthy cluster of two nodes satisfies, with no privilege too many."""
    proxmox.add_node("pve2")
    proxmox.storages["fast"] = {**proxmox.storages["local-lvm"]}
    for path, privileges in GRANTS.items():
        proxmox.grant(TOKEN_ID, path, *privileges)
    return {
        "site": "paris",
        "endpoint": proxmox.url,
        "apiToken": proxmox_token,
        "insecure": False,
        "nodes": ["pve1", "pve2"],
        "isoStorage": "local",
        "imageContent": "iso",
        "diskStorage": "local-lvm",
        "network": "vmbr0",
        "clonesMove": True,
        "pools": [MASTERS, FAST],
    }


def test_healthy(proxmox: Any, props: dict[str, Any]) -> None:
    result = PreflightProvider().create(props)
    assert (result.id, result.outs) == (proxmox.url, props)
    assert {method for method, _, _ in proxmox.requests} == {"GET"}


@pytest.mark.parametrize("path", GRANTS)
def test_missing_privileges_are_named_with_their_path(proxmox: Any, props: dict[str, Any], path: str) -> None:
    grants = proxmox.acl[TOKEN_ID]
    proxmox.acl[TOKEN_ID] = [grant for grant in grants if grant[0] != path]
    with pytest.raises(PreflightError) as failure:
        PreflightProvider().create(props)
    lines = str(failure.value).splitlines()[1:]
    assert len(lines) == 1
    assert f"on {path}: " in lines[0]
    assert all(privilege in lines[0] for privilege in GRANTS[path])
    assert props["apiToken"] not in str(failure.value)


def test_what_the_readme_grants_is_enough_and_not_too_much(proxmox: Any, proxmox_token: str) -> None:
    """For a site such as Paris, whose machines are backed up."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    grants = {path: text.split() for path, text in re.findall(r"\$ grant (/\S*) \w+ '([^']+)'", readme)}
    proxmox.storages["ceph-vm"] = {**proxmox.storages["local-lvm"]}
    network = "vmbr0/75"
    props = {
        "endpoint": proxmox.url,
        "apiToken": proxmox_token,
        "insecure": False,
        "nodes": ["pve1"],
        "isoStorage": "local",
        "imageContent": "iso",
        "diskStorage": "ceph-vm",
        "network": network,
        "clonesMove": True,
        "backup": True,
        "pools": [{**MASTERS, "nodes": ["pve1"], "storage": "ceph-vm", "network": network}],
    }

    def grant(left_out: tuple[str, str]) -> None:
        proxmox.acl = {}
        for path, privileges in grants.items():
            proxmox.grant(TOKEN_ID, path, *(each for each in privileges if (path, each) != left_out))

    grant(left_out=("", ""))
    PreflightProvider().create(props)
    for path, privileges in grants.items():
        for privilege in privileges:
            grant(left_out=(path, privilege))
            with pytest.raises(PreflightError, match=f"{privilege}"):
                PreflightProvider().create(props)


def test_backups_need_rights_of_their_own(proxmox: Any, props: dict[str, Any]) -> None:
    with pytest.raises(PreflightError) as failure:
        PreflightProvider().create({**props, "backup": True})
    lines = str(failure.value).splitlines()[1:]
    assert [("Sys.Modify on /:" in line, "Datastore.Allocate on /storage:" in line) for line in lines] == [
        (True, False),
        (False, True),
    ]


def test_an_older_proxmox_is_refused_for_what_it_is(proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.version, proxmox.acl = "8.4.1", {}
    with pytest.raises(PreflightError) as failure:
        PreflightProvider().create(props)
    (line,) = str(failure.value).splitlines()[1:]
    assert "it runs Proxmox VE 8.4.1; 9 or newer is needed" in line


def test_a_token_without_any_right(proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.acl = {}
    with pytest.raises(PreflightError) as failure:
        PreflightProvider().create(props)
    assert len(str(failure.value).splitlines()) == 1 + len(GRANTS)


def test_all_problems_come_together(proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.lose_quorum()
    proxmox.set_node_offline("pve2")
    proxmox.storages["local"]["content"] = "backup"
    proxmox.storages["local-lvm"]["active"] = 0
    proxmox.storages["fast"]["content"] = "backup"
    proxmox.add_node("pve4")
    with pytest.raises(PreflightError) as failure:
        PreflightProvider().create(
            {**props, "nodes": ["pve1", "pve2", "pve3"], "pools": [MASTERS, {**FAST, "nodes": ["pve2", "pve4"]}]}
        )
    problems = str(failure.value).splitlines()[1:]
    expected = [
        "has no quorum",
        "the node pve2 is offline",
        "there is no node pve3, only pve1, pve2",
        "the storage fast on node pve4 (storage of pool fast) takes backup, not images",
        "the storage local on node pve1 (proxmox.isoStorage) takes backup, not iso",
        "the storage local-lvm on node pve1 (proxmox.diskStorage) is not active",
    ]
    for text in expected:
        assert any(text in problem for problem in problems), text


def test_missing_storage(props: dict[str, Any], proxmox: Any) -> None:
    del proxmox.storages["local-lvm"]
    with pytest.raises(PreflightError, match=r"local-lvm on node pve1 .*No such storage"):
        PreflightProvider().create(props)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"apiToken": "oss-nextgen@pve!pulumi=wrong"}, r"config set --secret oss-nextgen:proxmoxApiToken -s paris`"),
        ({"apiToken": "wrong"}, "must have the form user@realm!tokenid=uuid"),
        ({"endpoint": "https://127.84.255.1:1"}, "no answer: "),
    ],
)
def test_no_access(props: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PreflightError, match=message) as failure:
        PreflightProvider().create({**props, **changes})
    assert "wrong" not in str(failure.value)


def test_untrusted_certificate(props: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(PreflightError, match="CERTIFICATE_VERIFY_FAILED"):
        PreflightProvider().create(props)


def test_a_right_on_a_network_of_another_zone_will_do(proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.acl[TOKEN_ID] = [grant for grant in proxmox.acl[TOKEN_ID] if not grant[0].startswith("/sdn")]
    proxmox.grant(TOKEN_ID, "/sdn/zones/campus", "SDN.Use")
    PreflightProvider().create(props)


def test_no_migration_no_right_to_migrate(proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.acl[TOKEN_ID] = [grant for grant in proxmox.acl[TOKEN_ID] if grant[0] != "/vms"]
    proxmox.grant(TOKEN_ID, "/vms", *VM_PRIVILEGES)
    with pytest.raises(PreflightError, match=r"lacks VM\.Migrate on /vms"):
        PreflightProvider().create(props)
    PreflightProvider().create({**props, "clonesMove": False})


@pytest.mark.parametrize(
    ("changes", "changed", "calls"),
    [
        ({}, False, False),
        ({"__provider": "another pickle"}, False, False),
        (
            {"pools": [{**MASTERS, "machines": {"paris-masters-1": 2101.0, "paris-masters-2": 2102.0}}, FAST]},
            True,
            True,
        ),
        ({"apiToken": "oss-nextgen@pve!pulumi=rotated"}, True, False),
    ],
)
def test_updates(proxmox: Any, props: dict[str, Any], changes: dict[str, Any], changed: bool, calls: bool) -> None:
    news = {**props, **changes}
    provider = PreflightProvider()
    assert provider.diff("id", props, news).changes is changed
    assert proxmox.requests == []
    assert provider.update("id", props, news).outs == news
    assert bool(proxmox.requests) is (calls or not changed)


def test_read_and_delete_send_nothing(proxmox: Any, props: dict[str, Any]) -> None:
    result = PreflightProvider().read("id", props)
    assert (result.id, result.outs) == ("id", props)
    PreflightProvider().delete("id", props)
    assert proxmox.requests == []


def test_the_storage_takes_what_the_image_is_made_from(props: dict[str, Any], proxmox: Any) -> None:
    proxmox.storages["local"]["content"] = "iso"
    with pytest.raises(PreflightError, match=r"local on node pve1 \(proxmox\.isoStorage\) takes iso, not import"):
        PreflightProvider().create({**props, "imageContent": "import"})
    proxmox.storages["local"]["content"] = "backup"
    PreflightProvider().create({**props, "imageContent": ""})
