"""Public names of a site, and the records of its zones. Pure functions: no Pulumi."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from components.powerdns import RecordSet
from settings import ExternalService, Services


def authentik(domain: str) -> str:
    return f"auth.{domain}"


def homepage(domain: str) -> str:
    return f"home.{domain}"


def ldap(domain: str) -> str:
    return f"ldap.{domain}"


def nameserver(domain: str) -> str:
    return f"ns1.{domain}"


def parents(domains: Sequence[str]) -> list[str]:
    """The zones that hold a site's."""
    return list(dict.fromkeys(domain.partition(".")[2] for domain in domains))


def secondaries(services: Services) -> list[IPv4Address]:
    """The servers that keep copies of a site's zones."""
    return list(dict.fromkeys([*services.dns_delegations.values(), *services.dns_secondaries]))


def url(host: str, services: Services) -> str:
    """What a person types."""
    return f"{origin(host, services)}/"


def origin(host: str, services: Services) -> str:
    """Scheme, host and port; the port only where it is not that of HTTPS."""
    port = "" if services.https_port == 443 else f":{services.https_port}"
    return f"https://{host}{port}"


def group(host: str, domain: str) -> str:
    """Where the dashboard shows a name: the site's first zone is OSS's, the others are the rest of Network Operations'.

    Args:
        host: The name.
        domain: The first zone.
    """
    return "OSS" if host.partition(".")[2] == domain else "Network Operations"


def redirect(services: Services) -> dict[str, str]:
    """Annotations of an Ingress that send plain requests to where HTTPS is.

    The controller sends them to the first port that a host's server listens on, and that is 443 unless the Ingress says
    otherwise. Its Service points at 443 whatever port it has itself, so that one stays.
    """
    return {} if services.https_port == 443 else {"nginx.org/listen-ports-ssl": f"{services.https_port},443"}


def record_sets(
    domain: str, first: bool, services: Services, external_services: Sequence[ExternalService]
) -> list[RecordSet]:
    """The record sets of one of the site's zones.

    Args:
        domain: The zone.
        first: Whether it is the site's first, which has the names of the platform itself.
        services: Where they lead to.
        external_services: Those in this zone have a name here.
    """
    hosts = [authentik(domain), homepage(domain)] if first else []
    hosts += [service.host for service in external_services if service.host.partition(".")[2] == domain]
    addresses = dict.fromkeys(hosts, services.ingress_address)
    if first and services.ldap_address is not None:
        addresses[ldap(domain)] = services.ldap_address
    addresses = {nameserver(domain): services.dns_public_address or services.dns_address, **addresses}
    own = [RecordSet(host, "A", [str(address)]) for host, address in addresses.items()]
    return [*own, *_delegations(domain, services)]


def _delegations(domain: str, services: Services) -> Iterator[RecordSet]:
    """Each site's part of the zone: the name of its server, and the address that leads there (glue).

    It is the one that the site's own zone has for that name: resolvers take either.
    """
    for site, address in services.dns_delegations.items():
        zone = f"{site}.{domain}"
        yield RecordSet(zone, "NS", [nameserver(zone)])
        yield RecordSet(nameserver(zone), "A", [str(services.dns_glue.get(site, address))])
