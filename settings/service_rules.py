"""Rules for what the cluster serves: names, addresses and ports that are somebody else's already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from settings.problems import Problem

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from settings.models import Kubernetes, Network
    from settings.services import Acme, ExternalService, Services

PLATFORM: Final = ("auth", "home", "ldap", "ns1")
"""First labels of the platform's own names in a site's zones."""
CONTROLLER_PORTS: Final = (80, 8080, 8081, 9113)
"""Of the ingress controller itself, in its pods: HTTP, status, readiness, metrics."""
WIDEST: Final = 8
"""Shortest prefix of a network that is let in: 10.0.0.0/8 is a company's, 0.0.0.0/0 is everybody's."""


def external_addresses(
    external_services: Sequence[ExternalService], network: Network, kubernetes: Kubernetes | None
) -> Iterator[Problem]:
    """An external service is a server beside the cluster, at an address that stays its own."""
    for index, service in enumerate(external_services):
        found = _taken(service.address, network, kubernetes)
        if found:
            yield Problem.at(f"externalServices[{index}].address", service.address, *found)


def _taken(address: IPv4Address, network: Network, kubernetes: Kubernetes | None) -> tuple[str, str] | None:
    """Rule and expectation where an address cannot be an external service's."""
    if address in network.dhcp:
        return "external-in-dhcp", f"must be outside network.dhcp, {network.dhcp}: a lease may go to another machine"
    if address in network.load_balancers:
        return "external-in-loadbalancers", f"must be outside network.loadBalancers, {network.load_balancers}"
    if kubernetes and address == kubernetes.api_server:
        return "external-is-api", "must not be kubernetes.apiServer: whoever may sign in uses that address itself"
    if kubernetes and address in kubernetes.pod_cidr:
        return "external-in-pods", f"must be outside kubernetes.podCidr, {kubernetes.pod_cidr}: pods come and go"
    if kubernetes and address in kubernetes.service_cidr:
        return "external-in-services", f"must be outside kubernetes.serviceCidr, {kubernetes.service_cidr}"
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return "external-unreachable", "must be the address of a host: Kubernetes takes no other for an endpoint"
    return None


def external_names(external_services: Sequence[ExternalService], domains: Sequence[str]) -> Iterator[Problem]:
    """The platform's own names lead to the platform."""
    taken = {f"{label}.{domain}" for domain in domains for label in PLATFORM}
    for index, service in enumerate(external_services):
        if service.host in taken:
            expected = f"must be none of the platform's own names, {', '.join(PLATFORM)}"
            yield Problem.at(f"externalServices[{index}].host", service.host, "platform-host", expected)


def external_certificates(external_services: Sequence[ExternalService]) -> Iterator[Problem]:
    """A certificate that nothing is checked with looks as if something were."""
    for index, service in enumerate(external_services):
        if service.ca_certificate and (service.scheme == "http" or not service.verify):
            why = "scheme is http" if service.scheme == "http" else "verify is false"
            expected = f"must be absent, or the certificate checked: {why}"
            yield Problem.at(f"externalServices[{index}].caCertificate", "set", "idle-ca", expected)


def service_ports(services: Services | None) -> Iterator[Problem]:
    """Two services on one address have two ports."""
    if services is None:
        return
    if services.http_port == services.https_port:
        expected = "must not be services.httpPort: both are at ingressAddress"
        yield Problem.at("services.httpsPort", services.https_port, "same-http-ports", expected)
    if services.dns_port == services.dns_api_port:
        expected = "must not be services.dnsPort: both are at dnsAddress"
        yield Problem.at("services.dnsApiPort", services.dns_api_port, "same-dns-ports", expected)
    if services.https_port in CONTROLLER_PORTS:
        expected = f"must be none of the ingress controller's own, {', '.join(map(str, CONTROLLER_PORTS))}"
        yield Problem.at("services.httpsPort", services.https_port, "controller-port", expected)


def operators_are_few(services: Services | None) -> Iterator[Problem]:
    """The DNS API can redirect every name of the site: a key alone does not protect it from the whole internet."""
    for index, network in enumerate(services.operators if services else ()):
        if network.prefixlen < WIDEST:
            expected = f"must be a network of operators or runners, /{WIDEST} or smaller"
            yield Problem.at(f"services.operators[{index}]", network, "open-operators", expected)


def resolvers_are_public(acme: Acme, services: Services | None) -> Iterator[Problem]:
    """The site's own server knows its zones before the delegation does: it would hide that one is missing."""
    own = {"dnsAddress": services.dns_address, "dnsPublicAddress": services.dns_public_address} if services else {}
    for index, resolver in enumerate(acme.resolvers):
        for key, address in own.items():
            if resolver.partition(":")[0] == str(address):
                expected = f"must be a recursive resolver that sees what the authority sees, not services.{key}"
                yield Problem.at(f"acme.resolvers[{index}]", resolver, "own-resolver", expected)


RULES = (
    external_addresses,
    external_names,
    external_certificates,
    service_ports,
    operators_are_few,
    resolvers_are_public,
)
"""In the order in which a person reads the file."""
