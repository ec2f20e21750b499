"""Rules of a site as a whole and of what its cluster serves, each broken once."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from settings import PROJECT
from tests.unit.settings.cases import (
    EXTERNAL,
    SERVICES,
    STORAGE_POOL,
    TOKEN,
    VALID,
    Case,
    assert_refused,
    drop,
    problems_of,
    put,
)

CASES = [
    # The site as a whole
    Case("stack-name", put("site", "lille"), ('site is "lille"', "the stack's name, paris")),
    Case("duplicate-domain", put("domains.1", "ef-fr.dev"), ('domains[1] is "ef-fr.dev"', "already domains[0]")),
    Case(
        "same-secret",
        put("domains", ["a-b.fr", "a.b.fr"]),
        ('domains[1] is "a.b.fr"', "must differ from domains[0], a-b.fr"),
    ),
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
        "service-not-reserved",
        put("services", {**SERVICES, "ingressAddress": "10.75.10.208"}),
        ('services.ingressAddress is "10.75.10.208"', "must be one of 10.75.10.200-10.75.10.207"),
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
    # Single sign-on
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
    Case(
        "name-in-own-zone",
        put("proxmox.endpoint", "https://pve.paris.ef-fr.dev:8006"),
        ('proxmox.endpoint is "https://pve.paris.ef-fr.dev:8006"', "an address, or a name outside ef-fr.dev"),
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
    assert_refused(case, VALID)


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


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        ("service-outside-range", "10.75.10.199"),
        ("service-not-reserved", "10.75.10.230"),
        ("same-service-address", "10.75.10.201"),
    ],
)
def test_the_directory_has_an_address_of_its_own(rule: str, address: str) -> None:
    says = (f'services.ldapAddress is "{address}"',)
    assert_refused(Case(rule, put("services", {**SERVICES, "ldapAddress": address}), says), VALID)


def test_every_service_has_an_address_of_the_range() -> None:
    outside = {"dnsAddress": "10.75.10.199", "ingressAddress": "10.75.10.240"}

    lines = problems_of({**VALID, "services": outside})["service-outside-range"]

    assert [line.partition(" is ")[0] for line in lines] == [f"{PROJECT}:services.{key}" for key in outside]
