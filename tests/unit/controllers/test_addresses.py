"""Which service gets which address, without a cluster."""

from __future__ import annotations

import re
from contextlib import nullcontext
from ipaddress import IPv4Address
from typing import Any

import pytest

from lab.controllers.addresses import Allocator, Claim, Pool, Refused, check_pools
from lab.controllers.config import AddressRange
from lab.plugins.kubernetes.api import Object

LAB = AddressRange(first=IPv4Address("127.89.17.200"), last=IPv4Address("127.89.17.239"))
DNS = IPv4Address("127.89.17.200")


def service(name: str = "web", port: int = 80, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"namespace": "default", "name": name, "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", "ports": [{"protocol": "TCP", "port": port}], **spec},
    }


def pool(*addresses: str, name: str = "site", **spec: Any) -> Pool:
    return Pool.parse({"metadata": {"name": name}, "spec": {"addresses": list(addresses), **spec}}, LAB)


def give(pools: list[Pool], *services: Object) -> list[str]:
    allocator = Allocator(pools)
    return [str(allocator.allocate(Claim.parse(each))) for each in services]


def test_the_first_free_address() -> None:
    assert give([pool("127.89.17.200-127.89.17.203")], service("a"), service("b")) == ["127.89.17.200", "127.89.17.201"]


@pytest.mark.parametrize(
    "asked", [{"loadBalancerIP": str(DNS)}, {"annotations": {"metallb.io/loadBalancerIPs": str(DNS)}}]
)
def test_the_address_asked_for(asked: dict[str, Any]) -> None:
    assert give([pool("127.89.17.200/29")], service(**asked)) == [str(DNS)]


def test_pools() -> None:
    kept, free = pool("127.89.17.200-127.89.17.201", name="kept", autoAssign=False), pool("127.89.17.210/32")
    by_name = service("b", annotations={"metallb.io/address-pool": "kept"})
    assert give([kept, free], service("a"), by_name) == ["127.89.17.210", "127.89.17.200"]


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (["127.89.17.200-127.89.17.203"], ["127.89.17.204/30", "127.89.17.208/32"], ""),
        (
            ["127.89.17.200/29"],
            ["127.89.17.210/32", "127.89.17.207-127.89.17.209"],
            'CIDR "127.89.17.207/32" in pool "other" overlaps with already defined CIDR "127.89.17.200/29"',
        ),
        (["127.89.17.200/32"], ["nowhere"], 'parsing address pool other: invalid address range "nowhere"'),
    ],
)
def test_pools_share_no_address(one: list[str], other: list[str], says: str) -> None:
    items = [
        {"metadata": {"name": name}, "spec": {"addresses": each}} for name, each in (("one", one), ("other", other))
    ]
    with pytest.raises(Refused, match=re.escape(says)) if says else nullcontext():
        check_pools(items)


def test_a_pool_may_be_for_the_services_of_some_namespaces() -> None:
    kept = pool("127.89.17.200/32", name="kept", autoAssign=False, serviceAllocation={"namespaces": ["powerdns"]})
    owner, other = service(annotations=FIXED), service(annotations=FIXED)
    owner["metadata"]["namespace"] = "powerdns"
    assert give([kept], owner) == [str(DNS)]
    with pytest.raises(Refused, match="pool kept not compatible for ip assignment"):
        give([kept], other)


def test_shared_address() -> None:
    shared = {"metallb.io/allow-shared-ip": "dns"}
    several = [service("tcp", 53, shared), service("api", 443, shared)]
    assert give([pool("127.89.17.200/32")], *several) == [str(DNS), str(DNS)]


SHARED = {"metallb.io/allow-shared-ip": "dns", "metallb.io/loadBalancerIPs": str(DNS)}
FIXED = {"metallb.io/loadBalancerIPs": str(DNS)}
REFUSALS = {
    "outside of the pools": ([service(loadBalancerIP="127.89.17.239")], '["127.89.17.239"] is not allowed in config'),
    "exhausted": ([service(str(number)) for number in range(5)], "no available IPs"),
    "taken": (
        [service("a", annotations=FIXED), service("b", annotations=FIXED)],
        'can\'t change sharing key for "default/b", address also in use by default/a',
    ),
    "other key": (
        [service("a", annotations=SHARED), service("b", 81, SHARED | {"metallb.io/allow-shared-ip": "web"})],
        'can\'t change sharing key for "default/b", address also in use by default/a',
    ),
    "other pods": (
        [
            service("a", 80, SHARED, externalTrafficPolicy="Local", selector={"app": "a"}),
            service("b", 81, SHARED, externalTrafficPolicy="Local", selector={"app": "b"}),
        ],
        'can\'t change sharing key for "default/b", address also in use by default/a',
    ),
    "same port": (
        [service("a", annotations=SHARED), service("b", annotations=SHARED)],
        'port TCP/80 is already in use on "127.89.17.200"',
    ),
    "unknown pool": ([service(annotations={"metallb.io/address-pool": "none"})], 'unknown pool "none"'),
    "asked twice": (
        [service(annotations=FIXED, loadBalancerIP=str(DNS))],
        "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
    ),
    "no address": ([service(loadBalancerIP="paris")], 'invalid spec.loadBalancerIP "paris"'),
    "IPv6": ([service(ipFamilies=["IPv6"])], "the lab has IPv4 addresses only: ipFamilies must be [IPv4]"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_service(case: str) -> None:
    services, message = REFUSALS[case]
    with pytest.raises(Refused) as refusal:
        give([pool("127.89.17.200-127.89.17.203")], *services)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"addresses": ["127.89.17.201-200"]}, "invalid address range"),
        ({"addresses": ["127.89.17.210-127.89.17.205"]}, "invalid address range"),
        ({"addresses": ["10.0.0.0/24"]}, "not within 127.89.17.200-127.89.17.239"),
        ({"addresses": ["127.89.17.200/32"], "serviceAllocation": {"priority": 1}}, "no more of spec"),
    ],
)
def test_refused_pool(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        Pool.parse({"metadata": {"name": "site"}, "spec": spec}, LAB)


def test_buggy_addresses_are_avoided() -> None:
    everything = AddressRange(first=IPv4Address("127.0.0.0"), last=IPv4Address("127.255.255.255"))
    spec = {"addresses": ["127.89.18.255-127.89.19.1"], "avoidBuggyIPs": True}
    addresses = list(Pool.parse({"metadata": {"name": "site"}, "spec": spec}, everything))
    assert addresses == [IPv4Address("127.89.19.1")]
