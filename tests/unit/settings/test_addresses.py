"""Rules of addresses and networks, each broken once, and what a person then reads."""

from __future__ import annotations

import copy

import pytest

from settings import Settings
from tests.unit.settings.cases import VALID, Case, assert_refused, put

CASES = [
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
        "api-is-proxmox",
        put("proxmox.endpoint", "https://10.75.10.10:8006"),
        ('kubernetes.apiServer is "10.75.10.10"', "must not be the address in proxmox.endpoint"),
    ),
    Case(
        "api-is-runner",
        put("image.httpAddress", "10.75.10.10"),
        ('kubernetes.apiServer is "10.75.10.10"', "must not be the address in image.httpAddress"),
    ),
    Case("ssh-port-taken", put("access.sshPort", 10250), ("access.sshPort is 10250", "this one is the kubelet's")),
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
    Case(
        "unrouted-cidr",
        put("kubernetes.podCidr", "169.254.0.0/18"),
        ('kubernetes.podCidr is "169.254.0.0/18"', "no loopback, link-local, multicast"),
    ),
    Case(
        "service-cidr-size",
        put("kubernetes.serviceCidr", "10.233.0.0/29"),
        ('kubernetes.serviceCidr is "10.233.0.0/29"', "between /12 and /28"),
    ),
    Case(
        "pod-cidr-too-small",
        put("kubernetes.podCidr", "10.233.64.0/24"),
        ('kubernetes.podCidr is "10.233.64.0/24"', "/23 or larger", "each of 6 nodes needs a /26"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    assert_refused(case, VALID)


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("rule", "key", "value"),
    [
        ("unrouted-cidr", "podCidr", "127.0.0.0/18"),
        ("unrouted-cidr", "serviceCidr", "224.0.0.0/18"),
        ("unrouted-cidr", "serviceCidr", "0.0.0.0/12"),
        ("service-cidr-size", "serviceCidr", "172.0.0.0/11"),
        ("service-cidr-size", "serviceCidr", "10.233.0.0/32"),
        ("pod-cidr-too-small", "podCidr", "10.233.64.0/32"),
    ],
)
def test_more_networks_that_are_refused(rule: str, key: str, value: str) -> None:
    assert_refused(Case(rule, put(f"kubernetes.{key}", value), (f'kubernetes.{key} is "{value}"',)), VALID)


@pytest.mark.parametrize(
    ("key", "value"),
    [("podCidr", "10.233.64.0/23"), ("serviceCidr", "172.16.0.0/12"), ("serviceCidr", "10.233.0.0/28")],
)
def test_networks_that_are_taken(key: str, value: str) -> None:
    raw = copy.deepcopy(VALID)
    put(f"kubernetes.{key}", value)(raw)

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw).site == "paris"


@pytest.mark.parametrize("port", [111, 2379, 2380, 6443, 30022])
def test_more_ports_that_ssh_cannot_have(port: int) -> None:
    assert_refused(Case("ssh-port-taken", put("access.sshPort", port), (f"access.sshPort is {port}",)), VALID)
