"""Keys, types and single values, each wrong once, and what a person then reads."""

from __future__ import annotations

import copy

import pytest

from settings import Settings
from tests.unit.settings.cases import VALID, Case, assert_refused, drop, put

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
    Case("bad-user", put("access.user", "_ops"), ('access.user is "_ops"', "starting with a letter")),
    Case("reserved-user", put("access.user", "root"), ('access.user is "root"', "of the platform's own")),
    Case("bad-bridge", put("network.bridge", "a bridge"), ('network.bridge is "a bridge"', "vmbr0")),
    Case("bad-storage", put("proxmox.diskStorage", "/dev"), ('proxmox.diskStorage is "/dev"', "local-lvm")),
    Case("bad-sha256", put("image.iso.sha256", "abc"), ('image.iso.sha256 is "abc"', "64 lower-case")),
    Case("bad-commit", put("kubernetes.kubespray.commit", "main"), ('commit is "main"', "40 lower-case")),
    Case("bad-version", put("kubernetes.version", "1.35"), ('kubernetes.version is "1.35"', "1.35.4")),
    Case("bad-url", put("proxmox.endpoint", "http://pve"), ('proxmox.endpoint is "http://pve"', "https://")),
    Case("bad-endpoint", put("proxmox.endpoint", "https://pve/api2"), ('is "https://pve/api2"', "host and port")),
    Case(
        "endpoint-without-port",
        put("proxmox.endpoint", "https://pve1.example.org"),
        ('is "https://pve1.example.org"', "add :8006, Proxmox VE's own"),
    ),
    Case("bad-iso-url", put("image.iso.url", "https://x/debian.img"), ('is "https://x/debian.img"', ".iso")),
    Case("bad-repository", put("kubernetes.kubespray.repository", ""), ("repository is", "what Git can fetch from")),
    Case("secret-in-url", put("kubernetes.kubespray.repository", "https://s3cret@x/k"), ("repository", "credential")),
    Case(
        "bad-kubeconfig-path",
        put("kubernetes.kubeconfigPath", "Pulumi.paris.yaml"),
        ('kubernetes.kubeconfigPath is "Pulumi.paris.yaml"', "a path below .kube"),
    ),
    Case("bad-cron", put("storage.snapshots", {"cron": "61 1 * * *", "retain": 7}), ("61 for the minute", "0 to 59")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    assert_refused(case, VALID)


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


CLOUD_IMAGE = {"url": "https://images.ef-fr.dev/debian.qcow2", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("bad-iso-url", "image.iso.url", "https://host/.iso"),
        ("bad-iso-url", "image.iso.url", "https://host/a;c.iso"),
        ("bad-url", "image.iso.url", "https://host/a b.iso"),
        ("bad-url", "image.iso.url", "https://host/x.qcow2#a.iso"),
        ("bad-repository", "kubernetes.kubespray.repository", " "),
        ("bad-repository", "kubernetes.kubespray.repository", "https://host/k\n"),
        ("secret-in-url", "kubernetes.kubespray.repository", "HTTPS://s3cret@host/k"),
        ("secret-in-url", "kubernetes.kubespray.repository", "https://host/k?private_token=s3cret"),
        ("bad-registry", "kubernetes.registryMirror", "registry.ef-fr.dev:99999"),
        ("bad-resolver", "acme.resolvers", ["1.1.1.1: 53"]),
        ("bad-resolver", "acme.resolvers", ["1.1.1.1:65536"]),
        ("bad-host-name", "image.mirror", ".".join(["a" * 63] * 4)),
        ("bad-domain", "domains", [".".join(["a" * 60] * 4)]),
        ("bad-version", "kubernetes.version", "1.35.04"),
        ("bad-version", "kubernetes.version", "1.35.\N{ARABIC-INDIC DIGIT FOUR}"),
        ("bad-calendar", "backup.schedule", "02:0\N{ARABIC-INDIC DIGIT FOUR}"),
        ("bad-cidr", "network.cidr", "10.75.10.0/\N{ARABIC-INDIC DIGIT TWO}4"),
        ("bad-user", "access.user", "Ops"),
        ("reserved-user", "access.user", "backup"),
        ("reserved-user", "access.user", "sudo"),
        ("reserved-user", "access.user", "sshd"),
        ("reserved-user", "access.user", "admin"),
        ("reserved-user", "access.user", "kube"),
        ("bad-url", "proxmox.endpoint", "https://:s3cret@pve:8006"),
        ("bad-url", "proxmox.endpoint", "https://pve 1:8006"),
        ("bad-url", "proxmox.endpoint", "https://pve1\n:8006"),
        ("bad-url", "proxmox.endpoint", "https://pve1_a:8006"),
        ("bad-url", "proxmox.endpoint", "https://pve1:65536"),
        ("bad-url", "acme.directory", "https://ca.ef-fr.dev/directory#staging"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", "/etc/x.yaml"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", "../.kube/x.yaml"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", "./.kube/x.yaml"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", ".kube/../x.yaml"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", ".kube/x"),
        ("bad-kubeconfig-path", "kubernetes.kubeconfigPath", "."),
        ("name-in-own-zone", "image.iso", {"url": "https://iso.ef-fr.dev/debian.iso", "sha256": "0" * 64}),
        ("name-in-own-zone", "image", {"source": "cloud-image", "cloudImage": CLOUD_IMAGE}),
        ("name-in-own-zone", "image.mirror", "debian.ef-fr.io"),
        ("name-in-own-zone", "kubernetes.kubespray.repository", "git@Git.ef-fr.dev:kubespray.git"),
        ("name-in-own-zone", "kubernetes.registryMirror", "ef-fr.io:5000"),
        ("name-in-own-zone", "charts.nginxIngress", {"repository": "https://charts.ef-fr.dev/a", "version": "2.6.4"}),
        ("name-in-own-zone", "acme.directory", "https://ca.ef-fr.dev:14000/dir"),
    ],
)
def test_more_values_that_are_refused(rule: str, path: str, value: object) -> None:
    assert_refused(Case(rule, put(path, value), (path.rpartition(".")[2],)), VALID)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("access.user", "debian"),
        ("kubernetes.kubespray.repository", "ssh://git@host/kubespray.git"),
        ("kubernetes.kubespray.repository", "git@host:kubespray.git"),
        ("kubernetes.kubespray.repository", "/srv/my mirror.git"),
        ("kubernetes.registryMirror", "registry.example.org:65535"),
        ("image.mirror", ".".join(["a" * 62] * 4)),
        ("proxmox.endpoint", "https://10.75.10.5:8006"),
        ("acme.directory", "https://ca.example.org:14000/dir/~a%20b"),
        ("kubernetes.kubeconfigPath", ".kube/lab-77/paris.yaml"),
    ],
)
def test_values_that_are_taken(path: str, value: object) -> None:
    raw = copy.deepcopy(VALID)
    put(path, value)(raw)

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw).site == "paris"
