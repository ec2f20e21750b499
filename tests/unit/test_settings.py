"""Every rule of the settings, each broken once, and what a person then reads."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest
from pydantic import SecretStr

from settings import PROJECT, Settings, SettingsError

Raw = dict[str, Any]

TOKEN = "ossng@pve!pulumi=6f1d1c5e-2b1f-4a55-9d0e-7a3f0c9b8e21"

VALID: Raw = {
    "proxmoxApiToken": SecretStr(TOKEN),
    "site": "paris",
    "domains": ["ef-fr.dev", "ef-fr.io"],
    "proxmox": {"endpoint": "https://pve.paris.ef-fr.dev:8006", "nodes": ["pve1", "pve2"], "vmIdBase": 2000},
    "network": {
        "cidr": "10.75.10.0/24",
        "dhcp": {"first": "10.75.10.100", "last": "10.75.10.199"},
        "loadBalancers": {"first": "10.75.10.200", "last": "10.75.10.239"},
    },
    "kubernetes": {"apiServer": "10.75.10.10"},
    "pools": [
        {"name": "masters", "role": "control-plane", "count": 3, "vmIdOffset": 101},
        {"name": "workers", "role": "worker", "count": 3, "vmIdOffset": 201},
    ],
}


def problems_of(raw: Raw, *, stack: str = "paris", secrets_required: bool = True) -> dict[str, list[str]]:
    """Rule -> its lines, of a configuration that must not be accepted."""
    with pytest.raises(SettingsError) as caught:
        Settings.parse("Pulumi.paris.yaml", stack, raw, secrets_required=secrets_required)
    lines: dict[str, list[str]] = {}
    for problem in caught.value.problems:
        lines.setdefault(problem.rule, []).append(str(problem))
    return lines


@dataclass(frozen=True)
class Case:
    """A rule, the change that breaks it alone, and parts of the line that says so."""

    rule: str
    change: Callable[[Raw], object]
    says: tuple[str, ...]


def put(path: str, value: object) -> Callable[[Raw], None]:
    """A change that sets the value at a path such as `pools.0.count`."""

    def change(raw: Raw) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        target: Any = raw
        for part in parents:
            target = target[part] if isinstance(part, int) else target.setdefault(part, {})
        target[last] = value

    return change


def drop(path: str) -> Callable[[Raw], None]:
    """A change that removes the key at a path."""

    def change(raw: Raw) -> None:
        *parents, last = path.split(".")
        target: Any = raw
        for part in parents:
            target = target[int(part)] if part.isdigit() else target[part]
        del target[last]

    return change


EXTERNAL = {"name": "nas", "host": "nas.ef-fr.dev", "address": "10.75.10.6", "port": 443, "verify": False}
SERVICES = {"dnsAddress": "10.75.10.200", "ingressAddress": "10.75.10.201"}
STORAGE_POOL = {"name": "store", "role": "storage", "count": 5, "vmIdOffset": 301}

CASES = [
    # Keys
    Case("unknown-key", put("network.brige", "vmbr1"), ("network.brige is not a setting", "did you mean bridge?")),
    Case("foreign-namespace", put("proxmoxve:endpoint", "x"), ("proxmoxve:endpoint is not read",)),
    Case("missing-key", drop("network.dhcp"), ("network.dhcp is missing", "leases")),
    # Types: strict, because YAML has its own ideas of yes, 3 and 1.35.
    Case("int-type", put("network.vlan", "3"), ('network.vlan is "3"', "whole number, without quotes")),
    Case("bool-type", put("proxmox.insecure", "yes"), ('proxmox.insecure is "yes"', "true or false")),
    Case("string-type", put("kubernetes.version", 1.35), ("kubernetes.version is 1.35", "quotes")),
    Case("tuple-type", put("domains", "ef-fr.dev"), ('domains is "ef-fr.dev"', "must be a list")),
    Case("model-type", put("network", ["10.0.0.0/8"]), ("network is a list", "must be a mapping")),
    Case("too-short", put("domains", []), ("domains is a list", "at least one entry")),
    Case("greater-than-equal", put("proxmox.vmIdBase", 99), ("proxmox.vmIdBase is 99", "equal to 100")),
    Case("less-than-equal", put("network.vlan", 4095), ("network.vlan is 4095", "equal to 4094")),
    Case("literal-error", put("pools.1.role", "etcd"), ('pools[1].role is "etcd"', "'worker' or 'storage'")),
    # Single values
    Case("bad-name", put("pools.1.name", "Workers"), ('pools[1].name is "Workers"', "2 to 24")),
    Case("bad-host-name", put("image.mirror", "http://x"), ('image.mirror is "http://x"', "host name")),
    Case("bad-domain", put("domains.1", "ef_fr.io"), ('domains[1] is "ef_fr.io"', "DNS name")),
    Case("bad-user", put("access.user", "root"), ('access.user is "root"', "other than root")),
    Case("bad-bridge", put("network.bridge", "a bridge"), ('network.bridge is "a bridge"', "vmbr0")),
    Case("bad-storage", put("proxmox.diskStorage", "/dev"), ('proxmox.diskStorage is "/dev"', "local-lvm")),
    Case("bad-sha256", put("image.iso.sha256", "abc"), ('image.iso.sha256 is "abc"', "64 lower-case")),
    Case("bad-commit", put("kubernetes.kubespray.commit", "main"), ('commit is "main"', "40 lower-case")),
    Case("bad-version", put("kubernetes.version", "1.35"), ('kubernetes.version is "1.35"', "1.35.4")),
    Case("bad-url", put("proxmox.endpoint", "http://pve"), ('proxmox.endpoint is "http://pve"', "https://")),
    Case("bad-endpoint", put("proxmox.endpoint", "https://pve/api2"), ('is "https://pve/api2"', "host or port")),
    Case("bad-iso-url", put("image.iso.url", "https://x/debian.img"), ('is "https://x/debian.img"', ".iso")),
    Case("secret-in-url", put("kubernetes.kubespray.repository", "https://s3cret@x/k"), ("repository", "credential")),
    Case("bad-cron", put("storage.snapshots", {"cron": "61 1 * * *", "retain": 7}), ("61 for the minute", "0 to 59")),
    # Addresses
    Case("bad-address", put("kubernetes.apiServer", "10.75.10.300"), ('is "10.75.10.300"', "IPv4 address")),
    Case("bad-cidr", put("network.cidr", "10.75.10.0"), ('network.cidr is "10.75.10.0"', "CIDR notation")),
    Case("host-bits", put("network.cidr", "10.75.10.7/24"), ('is "10.75.10.7/24"', "network is 10.75.10.0/24")),
    Case(
        "range-order",
        put("network.dhcp.last", "10.75.10.50"),
        ('network.dhcp.last is "10.75.10.50"', "before first, 10.75.10.100"),
    ),
    Case(
        "dhcp-outside-network",
        put("network.dhcp", {"first": "10.75.9.100", "last": "10.75.9.199"}),
        ('network.dhcp.first is "10.75.9.100"', "network.cidr, 10.75.10.0/24"),
    ),
    Case(
        "loadbalancers-outside-network",
        put("network.loadBalancers.last", "10.75.10.255"),
        ('network.loadBalancers.last is "10.75.10.255"', "not its first or last"),
    ),
    Case(
        "api-outside-network",
        put("kubernetes.apiServer", "10.75.11.10"),
        ('kubernetes.apiServer is "10.75.11.10"', "network.cidr, 10.75.10.0/24"),
    ),
    Case(
        "range-overlap",
        put("network.loadBalancers.first", "10.75.10.199"),
        ('is "10.75.10.199-10.75.10.239"', "network.dhcp, 10.75.10.100-10.75.10.199"),
    ),
    Case(
        "api-in-dhcp",
        put("kubernetes.apiServer", "10.75.10.100"),
        ('kubernetes.apiServer is "10.75.10.100"', "outside network.dhcp"),
    ),
    Case(
        "api-in-loadbalancers",
        put("kubernetes.apiServer", "10.75.10.239"),
        ('kubernetes.apiServer is "10.75.10.239"', "outside network.loadBalancers"),
    ),
    Case(
        "runner-in-dhcp",
        put("image.httpAddress", "10.75.10.150"),
        ('image.httpAddress is "10.75.10.150"', "outside network.dhcp"),
    ),
    Case(
        "proxmox-in-loadbalancers",
        put("proxmox.endpoint", "https://10.75.10.201:8006"),
        ("proxmox.endpoint", "outside network.loadBalancers"),
    ),
    Case(
        "dhcp-too-small",
        put("network.dhcp.last", "10.75.10.105"),
        ('is "10.75.10.100-10.75.10.105"', "has 6 addresses", "6 VMs and the image's build need 7"),
    ),
    Case(
        "pods-overlap-network",
        put("kubernetes.podCidr", "10.75.0.0/16"),
        ('kubernetes.podCidr is "10.75.0.0/16"', "network.cidr, 10.75.10.0/24"),
    ),
    Case(
        "services-overlap-network",
        put("kubernetes.serviceCidr", "10.75.10.128/25"),
        ('kubernetes.serviceCidr is "10.75.10.128/25"', "network.cidr, 10.75.10.0/24"),
    ),
    Case(
        "services-overlap-pods",
        put("kubernetes.serviceCidr", "10.233.96.0/20"),
        ('kubernetes.serviceCidr is "10.233.96.0/20"', "kubernetes.podCidr, 10.233.64.0/18"),
    ),
    # The site as a whole
    Case("stack-name", put("site", "lille"), ('site is "lille"', "the stack's name, paris")),
    Case("duplicate-domain", put("domains.1", "ef-fr.dev"), ('domains[1] is "ef-fr.dev"', "already domains[0]")),
    Case("duplicate-node", put("proxmox.nodes.1", "pve1"), ('proxmox.nodes[1] is "pve1"', "proxmox.nodes[0]")),
    Case("duplicate-pool", put("pools.1.name", "masters"), ('pools[1].name is "masters"', "already pools[0].name")),
    Case(
        "unknown-pool-node",
        put("pools.1.nodes", ["pve2", "pve3"]),
        ('pools[1].nodes[1] is "pve3"', "one of proxmox.nodes, pve1, pve2"),
    ),
    Case(
        "duplicate-pool-node",
        put("pools.1.nodes", ["pve2", "pve2"]),
        ('pools[1].nodes[1] is "pve2"', "already pools[1].nodes[0]"),
    ),
    Case("bad-tag", put("pools.0.tags", ["a;b"]), ('pools[0].tags[0] is "a;b"', "a Proxmox tag: a-z, 0-9")),
    Case("duplicate-tag", put("pools.0.tags", ["gpu", "gpu"]), ('tags[1] is "gpu"', "already pools[0].tags[0]")),
    Case("needless-tag", put("pools.0.tags", ["paris"]), ('pools[0].tags[0] is "paris"', "leave it out")),
    Case(
        "worker-starts-first",
        put("pools.1.startup", {"order": 1}),
        ("pools[1].startup.order is 1", "at least 2", "before the control plane"),
    ),
    Case("vmid-overlap", put("pools.1.vmIdOffset", 103), ("pools[1].vmIdOffset is 103", "masters takes 101 to 103")),
    Case("vmid-outside-site", put("pools.1.vmIdOffset", 998), ("pools[1].vmIdOffset is 998", "at most 997 for 3")),
    Case("no-cloud-image", put("image.source", "cloud-image"), ('is "cloud-image"', "needs image.cloudImage, the url")),
    Case("no-template", put("image.source", "existing"), ('is "existing"', "needs image.template, the name")),
    Case(
        "idle-key",
        put("image", {"source": "existing", "template": "debian", "mirror": "mirror.example.org"}),
        ('image.mirror is "mirror.example.org"', "is for source packer, and image.source is existing"),
    ),
    Case(
        "kept-foreign-image",
        put("image.keep", ["lille-debian-12-0123456789ab"]),
        ('image.keep[0] is "lille-debian-12-0123456789ab"', "that this program made, paris-debian-12-<hash>"),
    ),
    Case(
        "duplicate-keep", put("image.keep", ["paris-debian-12-0123456789ab"] * 2), ("[1] is", "already image.keep[0]")
    ),
    Case(
        "bad-disk-image-url",
        put("image", {"source": "cloud-image", "cloudImage": {"url": "https://x/debian.ova", "sha256": "0" * 64}}),
        ('image.cloudImage.url is "https://x/debian.ova"', ".qcow2, .raw or .vmdk"),
    ),
    Case("bad-vm-name", put("pools.1.image", "the old one"), ('pools[1].image is "the old one"', "the name of a VM")),
    Case("disk-shrinks", put("pools.0.diskGib", 10), ("pools[0].diskGib is 10", "image.diskGib, 20")),
    Case("memory-too-small", put("pools.1.memoryMib", 1024), ("pools[1].memoryMib is 1024", "at least 2048")),
    Case("even-control-plane", put("pools.0.count", 4), ("pools[0].count is 4", "4 nodes in all", "odd number")),
    Case("no-control-plane", put("pools.0", STORAGE_POOL), ("pools is", "a pool with role control-plane")),
    Case("no-worker", put("pools.1", STORAGE_POOL), ("pools is", "a pool with role worker")),
    Case("role-without-cluster", drop("kubernetes"), ('pools[0].role is "control-plane"', "without kubernetes")),
    Case(
        "kubernetes-version",
        put("kubernetes.version", "1.36.0"),
        ('kubernetes.version is "1.36.0"', "Kubespray v2.31.0", "1.33.0 to 1.33.11", "1.35.0 to 1.35.4"),
    ),
    Case(
        "kubespray-version",
        put("kubernetes.kubespray.version", "v2.30.0"),
        ('kubernetes.kubespray.version is "v2.30.0"', "must be v2.31.0"),
    ),
    # What the cluster serves
    Case(
        "service-outside-range",
        put("services", {**SERVICES, "dnsAddress": "10.75.10.199"}),
        ('services.dnsAddress is "10.75.10.199"', "network.loadBalancers, 10.75.10.200-10.75.10.239"),
    ),
    Case(
        "ingress-not-reserved",
        put("services", {**SERVICES, "ingressAddress": "10.75.10.208"}),
        ('services.ingressAddress is "10.75.10.208"', "must be one of 10.75.10.200-10.75.10.207"),
    ),
    Case(
        "ldap-not-reserved",
        put("services", {**SERVICES, "ldapAddress": "10.75.10.230"}),
        ('services.ldapAddress is "10.75.10.230"', "must be one of 10.75.10.200-10.75.10.207"),
    ),
    Case(
        "same-service-address",
        put("services", {**SERVICES, "ingressAddress": "10.75.10.200"}),
        ('services.ingressAddress is "10.75.10.200"', "must not be services.dnsAddress"),
    ),
    Case(
        "host-outside-domains",
        put("externalServices", [{**EXTERNAL, "host": "a.nas.ef-fr.dev"}]),
        ('externalServices[0].host is "a.nas.ef-fr.dev"', "directly below", "ef-fr.dev, ef-fr.io"),
    ),
    Case(
        "duplicate-host",
        put("externalServices", [EXTERNAL, {**EXTERNAL, "name": "files"}]),
        ('externalServices[1].host is "nas.ef-fr.dev"', "already externalServices[0].host"),
    ),
    Case(
        "duplicate-service",
        put("externalServices", [EXTERNAL, {**EXTERNAL, "host": "files.ef-fr.dev"}]),
        ('externalServices[1].name is "nas"', "already externalServices[0].name"),
    ),
    Case(
        "missing-ca",
        put("externalServices", [{**EXTERNAL, "verify": True}]),
        ("externalServices[0]", "caCertificate", "verify: false"),
    ),
    # Single sign-on and the directory
    Case("duplicate-group", put("groups", ["oss", "oss"]), ('groups[1] is "oss"', "already groups[0]")),
    Case(
        "unknown-group",
        put("externalServices", [{**EXTERNAL, "sso": True, "groups": ["oss", "admins"]}]),
        ('externalServices[0].groups[1] is "admins"', "one of groups, platform-admins, network-operations, oss"),
    ),
    Case(
        "duplicate-service-group",
        put("externalServices", [{**EXTERNAL, "sso": True, "groups": ["oss", "oss"]}]),
        ('externalServices[0].groups[1] is "oss"', "already externalServices[0].groups[0]"),
    ),
    Case(
        "reserved-application",
        put("externalServices", [{**EXTERNAL, "sso": True, "name": "ldap"}]),
        ('externalServices[0].name is "ldap"', "must not be one of homepage, ldap"),
    ),
    Case(
        "groups-without-sso",
        put("externalServices", [{**EXTERNAL, "groups": ["oss"]}]),
        ("externalServices[0].groups is a list", "needs sso: true"),
    ),
    Case(
        "ldap-outside-range",
        put("services", {**SERVICES, "ldapAddress": "10.75.10.199"}),
        ('services.ldapAddress is "10.75.10.199"', "network.loadBalancers, 10.75.10.200-10.75.10.239"),
    ),
    Case(
        "ldap-address-taken",
        put("services", {**SERVICES, "ldapAddress": "10.75.10.201"}),
        ('services.ldapAddress is "10.75.10.201"', "must not be services.ingressAddress"),
    ),
    # Name servers of other sites
    Case(
        "no-parent-zone",
        lambda raw: raw.update(domains=["ef-fr.dev"], services={**SERVICES, "dnsParent": "10.31.10.200"}),
        ('domains[0] is "ef-fr.dev"', "a zone in another site's"),
    ),
    Case(
        "own-dns-address",
        put("services", {**SERVICES, "dnsSecondaries": ["10.75.20.101", "10.75.10.200"]}),
        ('services.dnsSecondaries[1] is "10.75.10.200"', "services.dnsAddress, the site's own"),
    ),
    Case(
        "own-delegation",
        put("services", {**SERVICES, "dnsDelegations": {"paris": "10.31.10.200"}}),
        ('services.dnsDelegations.paris is "10.31.10.200"', "does not delegate to itself"),
    ),
    Case(
        "private-public-address",
        put("services", {**SERVICES, "dnsPublicAddress": "172.31.0.1"}),
        ('services.dnsPublicAddress is "172.31.0.1"', "an address that the internet reaches"),
    ),
    Case(
        "glue-without-delegation",
        put("services", {**SERVICES, "dnsGlue": {"lille": "192.0.2.59"}}),
        ('services.dnsGlue.lille is "192.0.2.59"', "services.dnsDelegations must name lille"),
    ),
    # Secrets
    Case(
        "missing-secret", drop("proxmoxApiToken"), (f"pulumi config set --secret {PROJECT}:proxmoxApiToken -s paris",)
    ),
    Case("secret-in-clear", put("proxmoxApiToken", TOKEN), ("stands in clear", "pulumi config set --secret")),
    Case("malformed-secret", put("proxmoxApiToken", SecretStr("s3cret")), ("user@realm!token-id=UUID",)),
    Case("unexpected-secret", put("password", SecretStr("s3cret")), ("password holds a secret", "proxmoxApiToken")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    raw = copy.deepcopy(VALID)
    case.change(raw)

    problems = problems_of(raw)

    assert list(problems) == [case.rule]
    line = problems[case.rule][0]
    assert all(part in line for part in case.says), line
    assert "s3cret" not in line
    assert TOKEN not in line


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


def test_services_need_a_cluster() -> None:
    raw = {key: value for key, value in VALID.items() if key != "kubernetes"}

    problems = problems_of({**raw, "services": SERVICES, "pools": [STORAGE_POOL]})

    assert problems == {
        "services-without-cluster": [
            f'{PROJECT}:services is "set": must be absent where there is no kubernetes',
        ]
    }


def test_a_cluster_has_the_machines_of_storage_pools_as_nodes() -> None:
    small = {**STORAGE_POOL, "memoryMib": 1024}

    assert list(problems_of({**VALID, "pools": [*VALID["pools"], small]})) == ["memory-too-small"]


def test_every_service_has_an_address_of_the_range() -> None:
    outside = {"dnsAddress": "10.75.10.199", "ingressAddress": "10.75.10.240"}

    lines = problems_of({**VALID, "services": outside})["service-outside-range"]

    assert [line.partition(" is ")[0] for line in lines] == [f"{PROJECT}:services.{key}" for key in outside]


def test_a_valid_site_has_the_shared_defaults() -> None:
    settings = Settings.parse("Pulumi.paris.yaml", "paris", VALID)

    assert settings.access.user == "ossng"
    assert settings.kubernetes is not None
    assert settings.kubernetes.version == "1.35.4"
    assert settings.pools[1].offsets == range(201, 204)
    assert len(settings.network.dhcp) == 100
    assert [pool.boot.order for pool in settings.pools] == [2, 3]
    assert settings.protection


def test_all_problems_come_in_one_message() -> None:
    raw = copy.deepcopy(VALID)
    for change in (
        drop("proxmoxApiToken"),
        put("sit", "s3cret"),
        put("proxmox.vmIdBase", True),
        put("pools.0.count", 2),
        put("network.loadBalancers.first", "10.75.10.150"),
        put("kubernetes.apiServer", "10.75.10.160"),
    ):
        change(raw)

    with pytest.raises(SettingsError) as caught:
        Settings.parse("Pulumi.paris.yaml", "paris", raw)

    assert {problem.rule for problem in caught.value.problems} == {
        "missing-secret",
        "unknown-key",
        "int-type",
        "even-control-plane",
        "range-overlap",
        "api-in-dhcp",
        "api-in-loadbalancers",
    }
    assert all(line.startswith("Pulumi.paris.yaml: oss-nextgen:") for line in str(caught.value).splitlines())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, SecretStr("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")])
def test_a_stack_may_lack_the_key_of_transfers(value: SecretStr | None) -> None:
    raw = {**VALID, "dnsTransferKey": value} if value else VALID

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw).site == "paris"


def test_a_key_of_transfers_is_32_bytes() -> None:
    problems = problems_of({**VALID, "dnsTransferKey": SecretStr("c2VjcmV0")})

    assert "openssl rand -base64 32" in problems["malformed-secret"][0]
    assert "c2VjcmV0" not in problems["malformed-secret"][0]


def test_an_unknown_section_is_told_the_secret_keys_too() -> None:
    problems = problems_of({**VALID, "proxmoxApitoken": "s3cret"})

    assert problems["unknown-key"][0].startswith(
        "oss-nextgen:proxmoxApitoken is not a setting: did you mean proxmoxApiToken"
    )


def test_an_encrypted_section_is_not_called_missing() -> None:
    assert list(problems_of({**VALID, "network": SecretStr("{}")})) == ["unexpected-secret"]


def test_a_list_with_one_bad_entry_is_not_called_empty() -> None:
    assert list(problems_of({**VALID, "domains": ["dev"]})) == ["bad-domain"]


def test_a_key_is_spelt_one_way_only() -> None:
    raw = copy.deepcopy(VALID)
    put("proxmox.vm_id_base", 2000)(raw)

    assert problems_of(raw)["unknown-key"] == [
        "oss-nextgen:proxmox.vm_id_base is not a setting: did you mean vmIdBase?"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("proxmox.endpoint", "https://admin:s3cret@pve:8006"),
        ("image.iso.url", "https://admin:s3cret@host/debian.iso"),
        ("kubernetes.kubespray.repository", "ssh://git:s3cret@host/kubespray"),
        ("network", "https://admin:s3c/s3cret@host"),
        ("network", {"password": "s3cret"}),
        ("domains", {"password": "s3cret"}),
    ],
)
def test_no_message_repeats_a_password(path: str, value: object) -> None:
    raw = copy.deepcopy(VALID)
    put(path, value)(raw)

    assert "s3cret" not in str(problems_of(raw))


def test_a_secret_is_not_demanded_of_a_committed_file() -> None:
    raw = {key: value for key, value in VALID.items() if key != "proxmoxApiToken"}

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw, secrets_required=False).site == "paris"


class TestLoad:
    """What the engine hands over: text, with lists and mappings as JSON, and the names of the secret keys."""

    def configure(self, raw: Raw, secrets: list[str]) -> None:
        texts = {
            f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in raw.items()
        }
        pulumi.runtime.set_all_config(texts, secrets)

    @pytest.fixture(autouse=True)
    def _paris(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(pulumi, "get_stack", lambda: "paris")
        yield
        pulumi.runtime.set_all_config({}, [])

    def test_reads_what_the_engine_hands_over(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "protection": False}, [f"{PROJECT}:proxmoxApiToken"])

        settings = Settings.load()

        assert str(settings.network.dhcp) == "10.75.10.100-10.75.10.199"
        assert settings.protection is False

    def test_the_engines_own_keys_are_not_ours(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN}, [f"{PROJECT}:proxmoxApiToken"])
        pulumi.runtime.set_config("pulumi:disable-default-providers", '["random"]')

        assert Settings.load().site == "paris"

    def test_finds_an_unknown_key_and_a_clear_token(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "protecton": False}, [])

        with pytest.raises(pulumi.RunError) as caught:
            Settings.load()

        assert "oss-nextgen:protecton is not a setting: did you mean protection?" in str(caught.value)
        assert "oss-nextgen:proxmoxApiToken stands in clear" in str(caught.value)
        assert TOKEN not in str(caught.value)

    def test_text_that_only_looks_like_json_is_text(self) -> None:
        self.configure({**VALID, "proxmoxApiToken": TOKEN, "site": "[paris"}, [f"{PROJECT}:proxmoxApiToken"])

        with pytest.raises(SettingsError, match=r'site is "\[paris": must be 2 to 24'):
            Settings.load()
