"""Every rule over all stack files, each broken once in a copy of the repository's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from settings import PROJECT, Settings, conflicts
from settings.__main__ import check
from settings.stack import read_folder

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "ossng@pve!pulumi=6f1d1c5e-2b1f-4a55-9d0e-7a3f0c9b8e21"
Values = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A rule, the edits that break it, and the line that says so."""

    rule: str
    edits: dict[str, Callable[[Values], object]]
    """Site -> the change of its file."""
    line: str
    also: frozenset[str] = frozenset()
    """Rules that cannot but break with it."""


def put(*path: str | int, value: object) -> Callable[[Values], None]:
    def change(values: Values) -> None:
        *parents, last = path
        target: Any = values
        for part in parents:
            target = target[part]
        target[last] = value

    return change


CASES = [
    Case(
        "shared-endpoint",
        {"lille": put("proxmox", "endpoint", value="https://10.31.10.5:8006")},
        'Pulumi.toulouse.yaml: oss-nextgen:proxmox.endpoint is "https://10.31.10.5:8006": is also '
        "proxmox.endpoint of Pulumi.lille.yaml; each site has a Proxmox VE cluster of its own",
    ),
    Case(
        "shared-node",
        {"lille": put("proxmox", "nodes", 1, value="pve-tls-1")},
        'Pulumi.toulouse.yaml: oss-nextgen:proxmox.nodes[0] is "pve-tls-1": is also proxmox.nodes[1] of '
        "Pulumi.lille.yaml; a node belongs to one cluster",
    ),
    Case(
        "shared-zone",
        {"backup": put("domains", 1, value="lille.ef-fr.io")},
        'Pulumi.lille.yaml: oss-nextgen:domains[1] is "lille.ef-fr.io": is also domains[1] of Pulumi.backup.yaml; '
        "a zone has one owner",
    ),
    Case(
        "shared-machine",
        {
            "paris": put("pools", 1, "name", value="lyon-workers"),
            "paris-lyon": lambda values: values["pools"][0].update(name="workers"),
        },
        'Pulumi.paris-lyon.yaml: oss-nextgen:pools[0].name is "paris-lyon-workers-1": is also pools[1].name of '
        "Pulumi.paris.yaml; a machine's name is its own on the whole platform",
    ),
    Case(
        "shared-kubeconfig",
        {"lille": put("kubernetes", "kubeconfigPath", value=".kube/toulouse.yaml")},
        'Pulumi.toulouse.yaml: oss-nextgen:kubernetes.kubeconfigPath is ".kube/toulouse.yaml": is also '
        "kubernetes.kubeconfigPath of Pulumi.lille.yaml; one site's file would replace the other's",
    ),
    Case(
        "shared-public-address",
        {
            "toulouse": put("services", "dnsPublicAddress", value="192.0.2.31"),
            "lille": put("services", "dnsPublicAddress", value="192.0.2.31"),
            "paris": put("services", "dnsGlue", value={"toulouse": "192.0.2.31", "lille": "192.0.2.31"}),
        },
        'Pulumi.toulouse.yaml: oss-nextgen:services.dnsPublicAddress is "192.0.2.31": is also '
        "services.dnsPublicAddress of Pulumi.lille.yaml; port 53 of an address is forwarded to one site",
    ),
    Case(
        "shared-vmids",
        {"lille": put("proxmox", "vmIdBase", value=3500)},
        'Pulumi.toulouse.yaml: oss-nextgen:proxmox.vmIdBase is "3000-3999": must not overlap with proxmox.vmIdBase of '
        "Pulumi.lille.yaml, 3500-4499",
    ),
    Case(
        "shared-network",
        {"backup": put("network", "cidr", value="10.75.0.0/16")},
        'Pulumi.paris.yaml: oss-nextgen:network.cidr is "10.75.10.0/24": must not overlap with network.cidr of '
        "Pulumi.backup.yaml, 10.75.0.0/16",
    ),
    Case(
        "pods-hide-site",
        {"lille": put("kubernetes", "podCidr", value="10.31.0.0/16")},
        'Pulumi.lille.yaml: oss-nextgen:kubernetes.podCidr is "10.31.0.0/16": must not overlap with network.cidr of '
        "Pulumi.toulouse.yaml, 10.31.10.0/24",
    ),
    Case(
        "services-hide-site",
        {"paris": put("kubernetes", "serviceCidr", value="10.13.0.0/18")},
        'Pulumi.paris.yaml: oss-nextgen:kubernetes.serviceCidr is "10.13.0.0/18": must not overlap with network.cidr '
        "of Pulumi.marseille.yaml, 10.13.10.0/24",
    ),
    Case(
        "not-delegated",
        {"paris": lambda values: values["services"]["dnsDelegations"].pop("toulouse")},
        'Pulumi.toulouse.yaml: oss-nextgen:domains[1] is "toulouse.ef-fr.io": lies in ef-fr.io of Pulumi.paris.yaml: '
        "services.dnsDelegations there must name toulouse",
    ),
    Case(
        "undelegable-zone",
        {"toulouse": lambda values: values["domains"].append("tls.ef-fr.dev")},
        'Pulumi.toulouse.yaml: oss-nextgen:domains[2] is "tls.ef-fr.dev": must be toulouse.ef-fr.dev, which is what '
        "Pulumi.paris.yaml can delegate of its ef-fr.dev",
    ),
    Case(
        "delegated-elsewhere",
        {"paris": put("services", "dnsDelegations", "toulouse", value="10.31.10.201")},
        'Pulumi.paris.yaml: oss-nextgen:services.dnsDelegations.toulouse is "10.31.10.201": must be '
        "services.dnsAddress of Pulumi.toulouse.yaml, 10.31.10.200",
    ),
    Case(
        "glue-elsewhere",
        {
            "toulouse": put("services", "dnsPublicAddress", value="192.0.2.31"),
            "paris": put("services", "dnsGlue", value={"toulouse": "192.0.2.13"}),
        },
        'Pulumi.paris.yaml: oss-nextgen:services.dnsGlue.toulouse is "192.0.2.13": must be '
        "services.dnsPublicAddress of Pulumi.toulouse.yaml, 192.0.2.31",
    ),
    Case(
        "unserved-zone",
        {"toulouse": put("domains", value=["toulouse.ef-fr.dev"])},
        'Pulumi.paris.yaml: oss-nextgen:services.dnsDelegations.toulouse is "10.31.10.200": delegates '
        "toulouse.ef-fr.io, which domains of Pulumi.toulouse.yaml lacks",
        frozenset({"strange-zone"}),
    ),
    Case(
        "parent-elsewhere",
        {"toulouse": put("services", "dnsParent", value="10.75.10.201")},
        'Pulumi.toulouse.yaml: oss-nextgen:services.dnsParent is "10.75.10.201": must be services.dnsAddress of '
        "Pulumi.paris.yaml, 10.75.10.200",
    ),
    Case(
        "no-backup-server",
        {"toulouse": put("backup", "stack", value="lille")},
        'Pulumi.toulouse.yaml: oss-nextgen:backup.stack is "lille": must name a stack with a backupServer; '
        "Pulumi.lille.yaml has none",
    ),
    Case(
        "not-backed-up",
        {"backup": lambda values: values["backupServer"]["sites"].pop("lille")},
        'Pulumi.lille.yaml: oss-nextgen:backup.stack is "backup": keeps no backups of this site: backupServer.sites of '
        "Pulumi.backup.yaml must name lille",
    ),
    Case(
        "network-not-served",
        {"backup": put("backupServer", "sites", "lille", "networks", value=["10.59.11.0/24"])},
        'Pulumi.backup.yaml: oss-nextgen:backupServer.sites.lille.networks is "10.59.11.0/24": must hold network.cidr '
        "of Pulumi.lille.yaml, 10.59.10.0/24",
    ),
    Case(
        "copied-elsewhere",
        {"backup": put("backupServer", "sites", "lille", "dnsAddress", value="10.59.10.201")},
        'Pulumi.backup.yaml: oss-nextgen:backupServer.sites.lille.dnsAddress is "10.59.10.201": must be '
        "services.dnsAddress of Pulumi.lille.yaml, 10.59.10.200",
    ),
    Case(
        "copied-from-other-port",
        {"backup": put("backupServer", "sites", "lille", "dnsPort", value=5353)},
        "Pulumi.backup.yaml: oss-nextgen:backupServer.sites.lille.dnsPort is 5353: must be "
        "services.dnsPort of Pulumi.lille.yaml, 53",
    ),
    Case(
        "other-dns-port",
        {"backup": put("backupServer", "dnsPort", value=5353)},
        "Pulumi.lille.yaml: oss-nextgen:services.dnsPort is 53: must be backupServer.dnsPort of Pulumi.backup.yaml, "
        "5353: all name servers of the platform listen on one port",
    ),
    Case(
        "control-plane-elsewhere",
        {"backup": put("backupServer", "sites", "lille", "controlPlane", 2, value="10.60.10.103")},
        'Pulumi.backup.yaml: oss-nextgen:backupServer.sites.lille.controlPlane[2] is "10.60.10.103": must be in '
        "network.cidr of Pulumi.lille.yaml, 10.59.10.0/24",
    ),
    Case(
        "strange-zone",
        {"backup": put("backupServer", "sites", "lille", "zones", value=["lille.ef-fr.dev", "lille.ef-fr.org"])},
        'Pulumi.backup.yaml: oss-nextgen:backupServer.sites.lille.zones[1] is "lille.ef-fr.org": must be one of '
        "domains of Pulumi.lille.yaml, lille.ef-fr.dev, lille.ef-fr.io",
    ),
    Case(
        "host-in-zone",
        {"paris": put("externalServices", 0, "host", value="toulouse.ef-fr.dev")},
        'Pulumi.paris.yaml: oss-nextgen:externalServices[0].host is "toulouse.ef-fr.dev": lies in toulouse.ef-fr.dev, '
        "domains[0] of Pulumi.toulouse.yaml",
    ),
    Case(
        "name-in-zone",
        {"backup": put("proxmox", "endpoint", value="https://pve-bak-1.ef-fr.dev:8006")},
        'Pulumi.backup.yaml: oss-nextgen:proxmox.endpoint is "https://pve-bak-1.ef-fr.dev:8006": lies in ef-fr.dev of '
        "Pulumi.paris.yaml: must be an address, or a name in no site's zone",
    ),
]

ANOTHER_SITE: Values = {
    "site": "paris-lyon",
    "domains": ["lyon.example.org"],
    "proxmox": {"endpoint": "https://10.69.10.5:8006", "nodes": ["pve-lys-1"], "vmIdBase": 7000},
    "network": {
        "cidr": "10.69.10.0/24",
        "dhcp": {"first": "10.69.10.100", "last": "10.69.10.199"},
        "loadBalancers": {"first": "10.69.10.200", "last": "10.69.10.239"},
    },
    "pools": [{"name": "store", "role": "storage", "count": 1, "vmIdOffset": 101}],
}


def edited(folder: Path, edits: Mapping[str, Callable[[Values], object]]) -> Path:
    """The repository's stack files in a folder, with changes."""
    for path in REPOSITORY.glob("Pulumi.*.yaml"):
        (folder / path.name).write_text(path.read_text())
    for site, change in edits.items():
        path = folder / f"Pulumi.{site}.yaml"
        config = yaml.safe_load(path.read_text())["config"] if path.exists() else ANOTHER_SITE
        values = json.loads(json.dumps({key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}))
        change(values)
        path.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{key}": value for key, value in values.items()}}))
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_names_both_files_and_keys(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_folder(edited(tmp_path, case.edits)).values()
    sites = [each for each in found if isinstance(each, Settings)]
    assert len(sites) == len(found)

    assert check(tmp_path) == 1

    assert case.line in capsys.readouterr().out.splitlines()
    assert {each.problem.rule for each in conflicts.find(sites)} == {case.rule} | case.also


PUBLIC: Mapping[str, Callable[[Values], object]] = {
    "paris": put("services", "dnsGlue", value={"toulouse": "192.0.2.31"}),
    "toulouse": put("services", "dnsPublicAddress", value="192.0.2.31"),
}
"""What a public address takes: in the file of the site, and in that of the one that delegates to it."""


@pytest.mark.parametrize(
    ("sites", "problems"),
    [
        (["paris", "toulouse"], []),
        (["paris"], ['toulouse is "192.0.2.31": must be services.dnsPublicAddress of Pulumi.toulouse.yaml, which has']),
        (["toulouse"], ["toulouse is null: must be services.dnsPublicAddress of Pulumi.toulouse.yaml, 192.0.2.31"]),
    ],
    ids=["both", "parent", "site"],
)
def test_a_public_address_stands_in_both_files(sites: list[str], problems: list[str], tmp_path: Path) -> None:
    found = read_folder(edited(tmp_path, {site: PUBLIC[site] for site in sites})).values()

    conflicting = [*conflicts.find(each for each in found if isinstance(each, Settings))]

    assert len(conflicting) == len(problems)
    for conflict, problem in zip(conflicting, problems, strict=True):
        assert conflict.source == "Pulumi.paris.yaml"
        assert str(conflict.problem).startswith(f"{PROJECT}:services.dnsGlue.{problem}")


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


class TestPreview:
    """The program looks at the stack files beside it before it declares anything."""

    def run(self, folder: Path, stack: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
        config = yaml.safe_load((REPOSITORY / f"Pulumi.{stack}.yaml").read_text())["config"]
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        monkeypatch.setattr(pulumi, "get_stack", lambda: stack)
        monkeypatch.chdir(folder)
        pulumi.runtime.set_all_config({**texts, f"{PROJECT}:proxmoxApiToken": TOKEN}, [f"{PROJECT}:proxmoxApiToken"])
        try:
            return Settings.load()
        finally:
            pulumi.runtime.set_all_config({}, [])

    def test_both_stacks_of_a_conflict_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        edits = {"lille": put("proxmox", "vmIdBase", value=3500)}
        line = (
            'oss-nextgen:proxmox.vmIdBase is "3000-3999": must not overlap with proxmox.vmIdBase of Pulumi.lille.yaml'
        )
        folder = edited(tmp_path, edits)

        for stack, count in {"toulouse": 1, "lille": 2}.items():  # Lille's reach into Marseille's as well.
            with pytest.raises(pulumi.RunError) as refused:
                self.run(folder, stack, monkeypatch)
            told = str(refused.value).splitlines()
            assert f"Pulumi.toulouse.yaml: {line}, 3500-4499" in told
            assert len(told) == count

    def test_others_conflicts_and_faults_do_not_stop_a_stack(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        edits = {"lille": put("proxmox", "vmIdBase", value=3500), "marseille": put("site", value="x")}
        folder = edited(tmp_path, edits)

        assert self.run(folder, "paris", monkeypatch).site == "paris"
