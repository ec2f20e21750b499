"""Rules that span several keys of a stack file.

A rule is a function whose parameters are the sections that it judges (fields of `Settings`, `stack`, the stack's
name, or `sections`, all that are valid). It runs when all of them are valid by themselves, so that one wrong key
does not hide what is wrong elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from settings import authentik_rules, backup, dns_rules, kubernetes_rules, pool_rules, port_rules, service_rules, teams
from settings.image_rules import image_keys, image_source, kept_images
from settings.problems import Problem, repeated

if TYPE_CHECKING:
    from settings.models import AddressRange, Image, Kubernetes, Network, Pool, Proxmox
    from settings.services import ExternalService, Services


def problems(stack: str, sections: Mapping[str, Any]) -> Iterator[Problem]:
    """Apply every rule whose sections are all there.

    Args:
        stack: Name of the Pulumi stack.
        sections: Field name of `Settings` -> its value, for those that are valid.
    """
    known = {"stack": stack, "sections": sections, **sections}
    for rule in RULES:
        wanted = inspect.signature(rule).parameters
        if wanted.keys() <= known.keys():
            yield from rule(**{name: known[name] for name in wanted})


def site_is_stack(stack: str, site: str) -> Iterator[Problem]:
    """The stack of one site never runs with another site's settings."""
    if site != stack:
        yield Problem.at("site", site, "stack-name", f"must be the stack's name, {stack}")


def domains_differ(domains: Sequence[str]) -> Iterator[Problem]:
    """Each zone is declared once, and so is the Secret of its certificate, named after it with - for each dot."""
    yield from repeated("domains[{}]", domains, "duplicate-domain")
    for (first, taken), (index, domain) in combinations(enumerate(domains), 2):
        if domain != taken and domain.replace(".", "-") == taken.replace(".", "-"):
            expected = (
                f"must differ from domains[{first}], {taken}, in more than - and dots: Secrets are named after both"
            )
            yield Problem.at(f"domains[{index}]", domain, "same-secret", expected)


def nodes_differ(proxmox: Proxmox) -> Iterator[Problem]:
    """VMs are spread over the nodes in turn: a node named twice would get twice its share."""
    yield from repeated("proxmox.nodes[{}]", proxmox.nodes, "duplicate-node")


def ranges_in_network(network: Network) -> Iterator[Problem]:
    """Both ranges are part of the VMs' network."""
    for name, addresses in _ranges(network):
        for end, address in (("first", addresses.first), ("last", addresses.last)):
            yield from _in_network(f"network.{name}.{end}", address, network, f"{name.lower()}-outside-network")


def api_server_in_network(network: Network, kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """kube-vip announces the API's address by ARP, so it is part of the VMs' network."""
    if kubernetes:
        yield from _in_network("kubernetes.apiServer", kubernetes.api_server, network, "api-outside-network")


def _in_network(path: str, address: IPv4Address, network: Network, rule: str) -> Iterator[Problem]:
    cidr = network.cidr
    if address not in cidr or address in (cidr.network_address, cidr.broadcast_address):
        expected = f"must be a host address of network.cidr, {cidr}"
        yield Problem.at(path, address, rule, f"{expected} (not its first or last)")


def ranges_differ(network: Network) -> Iterator[Problem]:
    """MetalLB and the DHCP server never hand out the same address."""
    dhcp, balancers = network.dhcp, network.load_balancers
    if dhcp.first <= balancers.last and balancers.first <= dhcp.last:
        expected = f"must not share addresses with network.dhcp, {dhcp}"
        yield Problem.at("network.loadBalancers", balancers, "range-overlap", expected)


def api_server_is_free(network: Network, kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """Neither the DHCP server nor MetalLB gives the API's address away."""
    if kubernetes:
        yield from _outside_ranges("kubernetes.apiServer", kubernetes.api_server, network, "api-in-{}")


def runner_is_free(network: Network, image: Image) -> Iterator[Problem]:
    """Nothing else is given the runner's address."""
    if image.http_address:
        yield from _outside_ranges("image.httpAddress", image.http_address, network, "runner-in-{}")


def proxmox_is_free(network: Network, proxmox: Proxmox) -> Iterator[Problem]:
    """Nothing else is given the address of Proxmox VE."""
    if address := _proxmox_address(proxmox):
        yield from _outside_ranges("proxmox.endpoint", address, network, "proxmox-in-{}")


def api_server_is_its_own(kubernetes: Kubernetes | None, proxmox: Proxmox, image: Image) -> Iterator[Problem]:
    """kube-vip would announce the address of a server that is there."""
    others = (
        ("proxmox.endpoint", _proxmox_address(proxmox), "api-is-proxmox"),
        ("image.httpAddress", image.http_address, "api-is-runner"),
    )
    for path, address, rule in others:
        if kubernetes and kubernetes.api_server == address:
            expected = f"must not be the address in {path}: kube-vip announces its own"
            yield Problem.at("kubernetes.apiServer", kubernetes.api_server, rule, expected)


def _proxmox_address(proxmox: Proxmox) -> IPv4Address | None:
    try:
        return IPv4Address(urlsplit(proxmox.endpoint).hostname or "")
    except AddressValueError:  # A host name: what it resolves to is not the file's business.
        return None


def _outside_ranges(path: str, address: IPv4Address, network: Network, rule: str) -> Iterator[Problem]:
    for name, addresses in _ranges(network):
        if address in addresses:
            expected = f"must be outside network.{name}, {addresses}: something else would get the same address"
            yield Problem.at(path, address, rule.format(name.lower()), expected)


def _ranges(network: Network) -> tuple[tuple[str, AddressRange], tuple[str, AddressRange]]:
    return ("dhcp", network.dhcp), ("loadBalancers", network.load_balancers)


def leases_suffice(network: Network, pools: Sequence[Pool]) -> Iterator[Problem]:
    """Every VM gets a lease, and so does the one that an image is being built in."""
    machines = sum(pool.count for pool in pools)
    if len(network.dhcp) <= machines:
        expected = f"has {len(network.dhcp)} addresses; {machines} VMs and the image's build need {machines + 1}"
        yield Problem.at("network.dhcp", network.dhcp, "dhcp-too-small", expected)


def cidrs_differ(network: Network, kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """Pods, services and machines are told apart by their addresses."""
    if kubernetes is None:
        return
    cidrs = (
        ("network", "network.cidr", network.cidr),
        ("pods", "kubernetes.podCidr", kubernetes.pod_cidr),
        ("services", "kubernetes.serviceCidr", kubernetes.service_cidr),
    )
    for (first, taken_by, taken), (second, path, cidr) in combinations(cidrs, 2):
        if taken.overlaps(cidr):
            yield Problem.at(path, cidr, f"{second}-overlap-{first}", f"must not overlap with {taken_by}, {taken}")


def services_have_cluster(services: Services | None, kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """What the cluster serves needs a cluster."""
    if services is not None and kubernetes is None:
        yield Problem.at("services", "set", "services-without-cluster", "must be absent where there is no kubernetes")


def service_addresses(services: Services | None, network: Network) -> Iterator[Problem]:
    """MetalLB gives away addresses of its range only, and each to one service."""
    if services is None:
        return
    taken: dict[IPv4Address, str] = {}
    for key, address in (
        ("services.dnsAddress", services.dns_address),
        ("services.ingressAddress", services.ingress_address),
        ("services.ldapAddress", services.ldap_address),
    ):
        if address is None:
            continue
        if address not in network.load_balancers:
            expected = f"must be in network.loadBalancers, {network.load_balancers}"
            yield Problem.at(key, address, "service-outside-range", expected)
        elif address not in services.reserved:
            expected = f"must be one of {services.reserved}, which are kept for the platform (from dnsAddress on)"
            yield Problem.at(key, address, "service-not-reserved", expected)
        elif taken.setdefault(address, key) != key:
            yield Problem.at(key, address, "same-service-address", f"must not be {taken[address]}")


def external_hosts(external_services: Sequence[ExternalService], domains: Sequence[str]) -> Iterator[Problem]:
    """A certificate covers the names directly below its zone, and a name leads to one place."""
    for index, service in enumerate(external_services):
        path = f"externalServices[{index}].host"
        if service.host.partition(".")[2] not in domains:
            expected = f"must be a name directly below one of the site's domains, {', '.join(domains)}"
            yield Problem.at(path, service.host, "host-outside-domains", expected)
    yield from repeated("externalServices[{}].host", [each.host for each in external_services], "duplicate-host")
    yield from repeated("externalServices[{}].name", [each.name for each in external_services], "duplicate-service")


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (
    site_is_stack,
    domains_differ,
    nodes_differ,
    ranges_in_network,
    ranges_differ,
    leases_suffice,
    proxmox_is_free,
    runner_is_free,
    image_source,
    image_keys,
    kept_images,
    *pool_rules.RULES,
    *kubernetes_rules.RULES,
    api_server_in_network,
    api_server_is_free,
    api_server_is_its_own,
    cidrs_differ,
    services_have_cluster,
    service_addresses,
    external_hosts,
    *service_rules.RULES,
    *dns_rules.RULES,
    *authentik_rules.RULES,
    *teams.RULES,
    *backup.RULES,
    *port_rules.RULES,
)
"""In the order in which a person reads the file."""
