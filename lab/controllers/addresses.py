"""Which service gets which address: MetalLB's allocation (https://metallb.io/usage/), without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range

from lab.controllers.config import AddressRange
from lab.plugins.kubernetes.api import Object


class Refused(Exception):
    """The service gets no address; the message is MetalLB's own where it has one."""


@dataclass(frozen=True)
class Pool:
    """Addresses that MetalLB may give."""

    name: str
    networks: tuple[IPv4Network, ...]
    auto_assign: bool
    avoid_buggy: bool
    """Leave out addresses that end in 0 or 255."""
    namespaces: frozenset[str] = frozenset()
    """Whose services may have them; none: everybody's."""

    @classmethod
    def parse(cls, item: Object, lab: AddressRange) -> Pool:
        """Read an IPAddressPool.

        Raises:
            Refused: it is wrong, or asks for what the lab cannot do.
        """
        spec = item["spec"]
        allocation = spec.get("serviceAllocation", {})
        if allocation.keys() - {"namespaces"}:
            raise Refused("the lab models no more of spec.serviceAllocation than its namespaces: leave the rest out")
        networks = tuple(network for text in spec["addresses"] for network in _networks(text))
        for network in networks:
            if network[0] < lab.first or network[-1] > lab.last:
                raise Refused(f"{network} is not within {lab.first}-{lab.last}, the lab's addresses for load balancers")
        return cls(
            item["metadata"]["name"],
            networks,
            spec.get("autoAssign", True),
            spec.get("avoidBuggyIPs", False),
            frozenset(allocation.get("namespaces", ())),
        )

    def __contains__(self, address: IPv4Address) -> bool:
        buggy = self.avoid_buggy and address.packed[-1] in (0, 255)
        return not buggy and any(address in network for network in self.networks)

    def __iter__(self) -> Iterator[IPv4Address]:
        return (address for network in self.networks for address in network if address in self)


@dataclass(frozen=True)
class Claim:
    """What a service asks for."""

    key: str
    """`namespace/name`."""
    address: IPv4Address | None
    """Asked for by the user."""
    pool: str
    """Name of the pool asked for; empty for any."""
    ports: frozenset[tuple[str, int]]
    """(protocol, port)."""
    sharing: tuple[str, str]
    """Sharing key, and with `externalTrafficPolicy: Local` the Pods that must be the same."""

    @classmethod
    def parse(cls, service: Object) -> Claim:
        """Read a Service.

        Raises:
            Refused: it asks for something that cannot be.
        """
        spec = service["spec"]
        if spec.get("ipFamilies", ["IPv4"]) != ["IPv4"]:
            raise Refused("the lab has IPv4 addresses only: ipFamilies must be [IPv4]")
        local = spec.get("externalTrafficPolicy") == "Local"
        return cls(
            key=key(service),
            address=_asked(service),
            pool=_annotation(service, "address-pool"),
            ports=frozenset((port["protocol"], port["port"]) for port in spec["ports"]),
            sharing=(_annotation(service, "allow-shared-ip"), str(spec.get("selector")) if local else ""),
        )


class Allocator:
    """Who holds which address, under one configuration of pools."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._pools = pools
        self._holders: dict[IPv4Address, list[Claim]] = {}

    def assign(self, claim: Claim, address: IPv4Address) -> None:
        """Give a certain address.

        Raises:
            Refused: no pool has it, its pool is not for the service or not the one asked for, or another has it.
        """
        pool = next((pool for pool in self._pools if address in pool), None)
        if pool is None:
            raise Refused(f'["{address}"] is not allowed in config')
        if pool.namespaces and claim.key.partition("/")[0] not in pool.namespaces:
            raise Refused(f"pool {pool.name} not compatible for ip assignment")
        if claim.pool and claim.pool != pool.name:
            raise Refused(
                f'requested loadBalancer IP(s) ["{address}"] is not compatible with requested address pool {claim.pool}'
            )
        holders = self._holders.setdefault(address, [])
        for holder in holders:
            if not claim.sharing[0] or claim.sharing != holder.sharing:
                raise Refused(f'can\'t change sharing key for "{claim.key}", address also in use by {holder.key}')
            for protocol, port in sorted(claim.ports & holder.ports):
                raise Refused(f'port {protocol}/{port} is already in use on "{address}"')
        holders.append(claim)

    def allocate(self, claim: Claim) -> IPv4Address:
        """Give the address asked for, or the first one that can be had.

        Raises:
            Refused: there is none.
        """
        if claim.address:
            self.assign(claim, claim.address)
            return claim.address
        if claim.pool and claim.pool not in {pool.name for pool in self._pools}:
            raise Refused(f'unknown pool "{claim.pool}"')
        for pool in self._pools:
            if pool.name != claim.pool if claim.pool else not pool.auto_assign:
                continue
            for address in pool:
                try:
                    self.assign(claim, address)
                except Refused:
                    continue
                return address
        raise Refused(f'no available IPs in pool "{claim.pool}"' if claim.pool else "no available IPs")


def check_pools(items: Sequence[Object]) -> None:
    """What MetalLB asks of all IPAddressPools together.

    Raises:
        Refused: one cannot be read, or has addresses of another.
    """
    taken: list[IPv4Network] = []
    for item in items:
        name = item["metadata"]["name"]
        try:
            networks = [network for text in item["spec"]["addresses"] for network in _networks(text)]
        except Refused as refusal:
            raise Refused(f"parsing address pool {name}: {refusal}") from None
        for network in networks:
            other = next(filter(network.overlaps, taken), None)
            if other:
                raise Refused(f'CIDR "{network}" in pool "{name}" overlaps with already defined CIDR "{other}"')
            taken.append(network)


def _networks(text: str) -> Iterator[IPv4Network]:
    """Networks of `first-last` or of a CIDR."""
    try:
        if "-" not in text:
            return iter([IPv4Network(text.strip())])
        first, last = (IPv4Address(end.strip()) for end in text.split("-", 1))
        return iter(list(summarize_address_range(first, last)))
    except ValueError:
        raise Refused(f'invalid address range "{text}": expected an IPv4 network or FIRST-LAST') from None


def _asked(service: Object) -> IPv4Address | None:
    annotated = _annotation(service, "loadBalancerIPs")
    declared = service["spec"].get("loadBalancerIP", "")
    if annotated and declared:
        raise Refused("service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP")
    try:
        return IPv4Address(annotated or declared) if annotated or declared else None
    except ValueError:
        place = "metallb.io/loadBalancerIPs:" if annotated else "spec.loadBalancerIP"
        raise Refused(f'invalid {place} "{annotated or declared}"') from None


def _annotation(service: Object, name: str) -> str:
    annotations = service["metadata"].get("annotations", {})
    return str(annotations.get(f"metallb.io/{name}") or annotations.get(f"metallb.universe.tf/{name}") or "")


def key(item: Object) -> str:
    """`namespace/name` of an object."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
