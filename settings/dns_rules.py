"""Rules of what a site's name server has to do with those of other sites, and of what is reached before it is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from ipaddress import IPv4Network
from typing import Any, Final

from pydantic.alias_generators import to_camel, to_snake

from settings.problems import Problem
from settings.services import Charts, Services

NEEDED: Final = (
    "proxmox.endpoint",
    "image.iso.url",
    "image.mirror",
    "image.cloudImage.url",
    "kubernetes.kubespray.repository",
    "kubernetes.registryMirror",
    *(f"charts.{to_camel(name)}.repository" for name in Charts.model_fields),
    "acme.directory",
    "backupServer.pbs.server",
)
"""What a run, or a machine that it makes, asks before the site's zones are served, or to have them served again."""
HOST: Final = re.compile(r"(?:[a-z+]+://)?(?:[^/@]*@)?([^/:]+)", re.IGNORECASE)
"""Of a URL, of `host:port`, and of what Git fetches from."""
PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Networks that no route of the internet leads to (RFC 1918)."""


def parent_zones(services: Services | None, domains: Sequence[str]) -> Iterator[Problem]:
    """A copy of a parent zone needs a parent zone, and that of a top-level domain is nobody's to have."""
    for index, domain in enumerate(domains if services and services.dns_parent else ()):
        if domain.count(".") < 2:
            expected = "must be a zone in another site's, such as toulouse.ef-fr.dev, where there is services.dnsParent"
            yield Problem.at(f"domains[{index}]", domain, "no-parent-zone", expected)


def other_servers(services: Services | None, site: str) -> Iterator[Problem]:
    """Another server is not one's own."""
    if services is None:
        return
    others = {
        "dnsParent": services.dns_parent,
        **{f"dnsDelegations.{name}": address for name, address in services.dns_delegations.items()},
        **{f"dnsSecondaries[{index}]": address for index, address in enumerate(services.dns_secondaries)},
    }
    for key, address in others.items():
        if address == services.dns_address:
            expected = "is services.dnsAddress, the site's own: must be another server's"
            yield Problem.at(f"services.{key}", address, "own-dns-address", expected)
    if site in services.dns_delegations:
        address = services.dns_delegations[site]
        expected = "must be absent: a site does not delegate to itself"
        yield Problem.at(f"services.dnsDelegations.{site}", address, "own-delegation", expected)


def public_addresses(services: Services | None) -> Iterator[Problem]:
    """What the internet is told is for the internet."""
    if services is None:
        return
    public = services.dns_public_address
    if public and any(public in network for network in PRIVATE):
        expected = "must be an address that the internet reaches; absent, there is only services.dnsAddress"
        yield Problem.at("services.dnsPublicAddress", public, "private-public-address", expected)
    for site, address in services.dns_glue.items():
        if site not in services.dns_delegations:
            expected = f"belongs to a delegation: services.dnsDelegations must name {site}, too"
            yield Problem.at(f"services.dnsGlue.{site}", address, "glue-without-delegation", expected)


def needed(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Key path, value and host of each of `NEEDED` that is there.

    Args:
        sections: Field name of `Settings` -> its value.
    """
    for path in NEEDED:
        section, *keys = map(to_snake, path.split("."))
        value = reduce(lambda model, key: getattr(model, key, None), keys, sections.get(section))
        if value and (host := HOST.match(value)):
            yield path, value, host[1].lower()


def holding(name: str, domains: Iterable[str]) -> str:
    """The closest of `domains` that a name is or lies in; empty for none."""
    return max((domain for domain in domains if f".{name}".endswith(f".{domain}")), key=len, default="")


def needed_elsewhere(sections: Mapping[str, Any], domains: Sequence[str]) -> Iterator[Problem]:
    """Where a zone is served from cannot be found by a name in it."""
    for path, value, host in needed(sections):
        if zone := holding(host, domains):
            expected = f"must be an address, or a name outside {zone}: it is needed before that zone is served"
            yield Problem.at(path, value, "name-in-own-zone", expected)


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (
    parent_zones,
    other_servers,
    public_addresses,
    needed_elsewhere,
)
