"""What is reached from outside has an address of the site's own pool, and none that the internet routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from pulumi_policy import PolicyResource, ReportViolation, StackValidationArgs, StackValidationPolicy

from ci import nouns
from policy.rules import Values, known, section, values

SERVICE: Final = "kubernetes:core/v1:Service"
POOL: Final = "kubernetes:metallb.io/v1beta1:IPAddressPool"
ANNOTATION: Final = "metallb.io/loadBalancerIPs"
Range = tuple[IPv4Address, IPv4Address]


def outside(resources: Iterable[PolicyResource]) -> Iterator[tuple[str, str]]:
    """URN and what is wrong, for each service of a stack that can be reached where it should not."""
    described = [(each.urn, each.resource_type, values(each.props)) for each in resources]
    pools: list[Range] = []
    for urn, type_, properties in described:
        for text in section(properties, "spec").get("addresses") or () if type_ == POOL else ():
            if known(text):
                first, last = _range(text)
                pools.append((first, last))
                if not (first.is_private and last.is_private):
                    yield urn, f"holds {text}, which the internet routes: a site's pool is of private addresses."
    for urn, type_, properties in described:
        if type_ == SERVICE:
            yield from ((urn, problem) for problem in _service(section(properties, "spec")))
            asked = section(properties, "metadata", "annotations").get(ANNOTATION)
            if section(properties, "spec").get("type") == "LoadBalancer" and not asked:
                yield urn, f"asks for no address of its own: give it one of the site's pool by {ANNOTATION}."
        if type_ in (SERVICE, nouns.RELEASE):
            yield from ((urn, problem) for problem in _addresses(properties, pools))


def _service(spec: Values) -> Iterator[str]:
    if spec.get("type") == "NodePort":
        yield "opens a port of every machine (NodePort): use a LoadBalancer address of the site's pool."
    if spec.get("externalIPs"):
        yield "claims externalIPs, which nobody checks: use a LoadBalancer address of the site's pool."


def _addresses(value: Any, pools: list[Range]) -> Iterator[str]:
    """Addresses that are asked for anywhere in a service, or in the values of a release, and are of no pool."""
    if isinstance(value, list):
        for each in value:
            yield from _addresses(each, pools)
    if not isinstance(value, Mapping):
        return
    for key, each in value.items():
        if key in (ANNOTATION, "loadBalancerIP") and isinstance(each, str) and known(each):
            for text in filter(None, map(str.strip, each.split(","))):
                if not any(first <= IPv4Address(text) <= last for first, last in pools):
                    yield f"asks for {text}, which is in no pool of the site (settings: network.loadBalancers)."
        else:
            yield from _addresses(each, pools)


def _range(text: str) -> Range:
    if "/" in text:
        network = IPv4Network(text)
        return network[0], network[-1]
    first, _, last = text.partition("-")
    return IPv4Address(first.strip()), IPv4Address(last.strip() or first.strip())


def _validate(args: StackValidationArgs, report: ReportViolation) -> None:
    for urn, problem in outside(args.resources):
        report(problem, urn)


POLICIES: Final = [
    StackValidationPolicy(
        name="load-balancers-in-pool",
        description="Services are reached at addresses of the site's pool only.",
        validate=_validate,
    )
]
