"""What stack files must agree on: rules over all sites of the platform, each of which names both files and keys.

A rule is one of three kinds: values that no two files share (`UNIQUE`), ranges and networks that do not overlap
(`APART`), and what the file of one site says of another, which must be what that one's own file says. What another
rule says already has none: MAC addresses derive from VMIDs, every other address of a site lies in its network, every
name that it publishes in one of its zones, and where a VLAN's tag could meet another the server itself is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from settings.dns_rules import holding, needed
from settings.pool_rules import SITE_VM_IDS
from settings.problems import Problem, SettingsError

if TYPE_CHECKING:
    from settings.stack import Settings

Keys = Iterable[tuple[str, object]]
"""Key path and value."""


@dataclass(frozen=True)
class Conflict:
    """Two stack files that cannot both be right."""

    source: str
    """Name of the file that the problem is told of."""
    other: str
    """Name of the file that it names beside."""
    problem: Problem


class ConflictError(SettingsError):
    """A stack that cannot run beside the others."""

    def __init__(self, source: str, conflicts: Iterable[Conflict]) -> None:
        found = tuple(conflicts)
        super().__init__(source, [conflict.problem for conflict in found])
        self.args = ("\n".join(f"{conflict.source}: {conflict.problem}" for conflict in found),)


def find(sites: Iterable[Settings]) -> Iterator[Conflict]:
    """Every conflict between two sites, in the order of the sites."""
    known = sorted(sites, key=lambda settings: settings.site)
    for first, second in combinations(known, 2):
        for rule, (why, keys) in UNIQUE.items():
            yield from _shared(rule, why, keys, second, first)
        for rule, apart in APART.items():
            yield from _overlapping(rule, apart(second), apart(first), second, first)
        yield from _dns_ports(second, first)
    for one, other in permutations(known, 2):
        for check in (_kept_by, _told, _hidden, _delegated, _told_parent, _hosts, _needed):
            yield from check(one, other)


def refuse(source: str, sites: Iterable[Settings]) -> None:
    """Refuse the stack of a file that is in conflict; conflicts of others do not stop it.

    Raises:
        ConflictError: with all conflicts of the file.
    """
    found = [conflict for conflict in find(sites) if source in (conflict.source, conflict.other)]
    if found:
        raise ConflictError(source, found)


def _conflict(rule: str, mine: Settings, path: str, value: object, theirs: Settings, expected: str) -> Conflict:
    """`expected` holds `{}` for the name of the other file."""
    file, other = (f"Pulumi.{settings.site}.yaml" for settings in (mine, theirs))
    return Conflict(file, other, Problem.at(path, value, rule, expected.format(other)))


def _shared(
    rule: str, why: str, keys: Callable[[Settings], Keys], mine: Settings, theirs: Settings
) -> Iterator[Conflict]:
    taken = {value: path for path, value in reversed([*keys(theirs)])}
    seen = set()
    for path, value in keys(mine):
        if value in taken and (path, taken[value]) not in seen:
            seen.add((path, taken[value]))  # Pools may share many names; one is enough to find them.
            yield _conflict(rule, mine, path, value, theirs, f"is also {taken[value]} of {{}}; {why}")


def _endpoint(settings: Settings) -> Keys:
    yield "proxmox.endpoint", settings.proxmox.endpoint


def _nodes(settings: Settings) -> Keys:
    for index, node in enumerate(settings.proxmox.nodes):
        yield f"proxmox.nodes[{index}]", node


def _zones(settings: Settings) -> Keys:
    for index, domain in enumerate(settings.domains):
        yield f"domains[{index}]", domain


def _machines(settings: Settings) -> Keys:
    for index, pool in enumerate(settings.pools):
        for number in range(1, pool.count + 1):
            yield f"pools[{index}].name", f"{settings.site}-{pool.name}-{number}"


def _kubeconfig(settings: Settings) -> Keys:
    if settings.kubernetes:
        yield "kubernetes.kubeconfigPath", settings.kubernetes.kubeconfig_path or f".kube/{settings.site}.yaml"


def _dns_public_address(settings: Settings) -> Keys:
    if settings.services and settings.services.dns_public_address:
        yield "services.dnsPublicAddress", settings.services.dns_public_address


UNIQUE: Mapping[str, tuple[str, Callable[[Settings], Keys]]] = {
    "shared-endpoint": ("each site has a Proxmox VE cluster of its own", _endpoint),
    "shared-node": ("a node belongs to one cluster", _nodes),
    "shared-zone": ("a zone has one owner", _zones),
    "shared-machine": ("a machine's name is its own on the whole platform", _machines),
    "shared-kubeconfig": ("one site's file would replace the other's", _kubeconfig),
    "shared-public-address": ("port 53 of an address is forwarded to one site", _dns_public_address),
}
"""Rule -> why no two sites share a value, and the values."""


@dataclass(frozen=True)
class Span:
    """What one key takes, from first to last."""

    path: str
    first: int
    last: int
    shown: str
    """As the messages write it."""


def _overlapping(
    rule: str, mine: Iterable[Span], theirs: Iterable[Span], settings: Settings, other: Settings
) -> Iterator[Conflict]:
    taken = [*theirs]
    for span in mine:
        for each in taken:
            if span.first <= each.last and each.first <= span.last:
                expected = f"must not overlap with {each.path} of {{}}, {each.shown}"
                yield _conflict(rule, settings, span.path, span.shown, other, expected)


def _vm_ids(settings: Settings) -> Iterator[Span]:
    first = settings.proxmox.vm_id_base
    last = first + SITE_VM_IDS - 1
    yield Span("proxmox.vmIdBase", first, last, f"{first}-{last}")


def _network(settings: Settings) -> Iterator[Span]:
    yield _span("network.cidr", settings.network.cidr)


def _span(path: str, cidr: IPv4Network) -> Span:
    return Span(path, int(cidr.network_address), int(cidr.broadcast_address), str(cidr))


APART: Mapping[str, Callable[[Settings], Iterator[Span]]] = {
    "shared-vmids": _vm_ids,
    "shared-network": _network,
}
"""Rule -> what may not overlap."""


def _kept_by(site: Settings, server: Settings) -> Iterator[Conflict]:
    """The stack that a site names keeps backups, and the site's among them."""
    if site.backup.stack != server.site:
        return
    if server.backup_server is None:
        expected = "must name a stack with a backupServer; {} has none"
        yield _conflict("no-backup-server", site, "backup.stack", server.site, server, expected)
    elif site.site not in server.backup_server.sites:
        expected = f"keeps no backups of this site: backupServer.sites of {{}} must name {site.site}"
        yield _conflict("not-backed-up", site, "backup.stack", server.site, server, expected)


def _told(server: Settings, site: Settings) -> Iterator[Conflict]:
    """What a backup server is told of a site is what the site's own file says."""
    found = server.backup_server.sites.get(site.site) if server.backup_server else None
    if found is None:
        return
    path = f"backupServer.sites.{site.site}"
    if not any(site.network.cidr.subnet_of(network) for network in found.networks):
        networks, expected = ", ".join(map(str, found.networks)), f"must hold network.cidr of {{}}, {site.network.cidr}"
        yield _conflict("network-not-served", server, f"{path}.networks", networks, site, expected)
    for index, address in enumerate(found.control_plane):
        if address not in site.network.cidr:
            expected = f"must be in network.cidr of {{}}, {site.network.cidr}"
            yield _conflict("control-plane-elsewhere", server, f"{path}.controlPlane[{index}]", address, site, expected)
    if found.dns_address and site.services and found.dns_address != site.services.dns_address:
        expected = f"must be services.dnsAddress of {{}}, {site.services.dns_address}"
        yield _conflict("copied-elsewhere", server, f"{path}.dnsAddress", found.dns_address, site, expected)
    if found.zones and site.services and found.dns_port != site.services.dns_port:
        expected = f"must be services.dnsPort of {{}}, {site.services.dns_port}"
        yield _conflict("copied-from-other-port", server, f"{path}.dnsPort", found.dns_port, site, expected)
    for index, zone in enumerate(found.zones):
        if zone not in site.domains:
            expected = f"must be one of domains of {{}}, {', '.join(site.domains)}"
            yield _conflict("strange-zone", server, f"{path}.zones[{index}]", zone, site, expected)


def _hidden(one: Settings, other: Settings) -> Iterator[Conflict]:
    """From a cluster, an address that is a pod's or a service's there never leads to another site."""
    if one.kubernetes:
        for kind in ("pod", "service"):
            span = _span(f"kubernetes.{kind}Cidr", getattr(one.kubernetes, f"{kind}_cidr"))
            yield from _overlapping(f"{kind}s-hide-site", [span], _network(other), one, other)


def _delegated(parent: Settings, child: Settings) -> Iterator[Conflict]:
    """A zone in another site's is delegated to its owner. A site without services serves none."""
    if parent.services is None or child.services is None:
        return
    address = parent.services.dns_delegations.get(child.site)
    for index, zone in enumerate(child.domains):
        path, above = f"domains[{index}]", holding(zone.partition(".")[2], parent.domains)
        if above and zone != f"{child.site}.{above}":
            expected = f"must be {child.site}.{above}, which is what {{}} can delegate of its {above}"
            yield _conflict("undelegable-zone", child, path, zone, parent, expected)
        elif above and address is None:
            expected = f"lies in {above} of {{}}: services.dnsDelegations there must name {child.site}"
            yield _conflict("not-delegated", child, path, zone, parent, expected)
    path = f"services.dnsDelegations.{child.site}"
    if address and address != child.services.dns_address:
        expected = f"must be services.dnsAddress of {{}}, {child.services.dns_address}"
        yield _conflict("delegated-elsewhere", parent, path, address, child, expected)
    glue, public = parent.services.dns_glue.get(child.site), child.services.dns_public_address
    if address and glue != public:
        expected = f"must be services.dnsPublicAddress of {{}}, {public or 'which has none'}"
        yield _conflict("glue-elsewhere", parent, f"services.dnsGlue.{child.site}", glue, child, expected)
    unserved = [f"{child.site}.{zone}" for zone in parent.domains if f"{child.site}.{zone}" not in child.domains]
    if address and unserved:
        expected = f"delegates {', '.join(unserved)}, which domains of {{}} lacks"
        yield _conflict("unserved-zone", parent, path, address, child, expected)


def _told_parent(child: Settings, parent: Settings) -> Iterator[Conflict]:
    """The parent zones are fetched from where they are served."""
    if child.services and child.services.dns_parent and parent.services:
        address = parent.services.dns_address
        held = any(holding(zone.partition(".")[2], parent.domains) for zone in child.domains)
        if held and child.services.dns_parent != address:
            expected = f"must be services.dnsAddress of {{}}, {address}"
            yield _conflict(
                "parent-elsewhere", child, "services.dnsParent", child.services.dns_parent, parent, expected
            )


def _dns_ports(mine: Settings, theirs: Settings) -> Iterator[Conflict]:
    """Name servers of the platform tell each other by their addresses alone."""
    for path, port in _dns_port(mine):
        for other, wanted in _dns_port(theirs):
            if port != wanted:
                expected = f"must be {other} of {{}}, {wanted}: all name servers of the platform listen on one port"
                yield _conflict("other-dns-port", mine, path, port, theirs, expected)


def _dns_port(settings: Settings) -> Iterator[tuple[str, int]]:
    if settings.services:
        yield "services.dnsPort", settings.services.dns_port
    if settings.backup_server:
        yield "backupServer.dnsPort", settings.backup_server.dns_port


def _hosts(one: Settings, other: Settings) -> Iterator[Conflict]:
    """A name in another site's zone is that site's to give."""
    for index, service in enumerate(one.external_services):
        for position, zone in enumerate(other.domains):
            inside = f".{service.host}".endswith(f".{zone}")
            if inside and len(zone) > len(holding(service.host, one.domains)):
                path, expected = f"externalServices[{index}].host", f"lies in {zone}, domains[{position}] of {{}}"
                yield _conflict("host-in-zone", one, path, service.host, other, expected)


def _needed(one: Settings, other: Settings) -> Iterator[Conflict]:
    """A site can be made again while another is down, and no record of that one's zones leads there."""
    for path, value, host in needed(dict(one)):
        if zone := holding(host, other.domains):
            expected = f"lies in {zone} of {{}}: must be an address, or a name in no site's zone"
            yield _conflict("name-in-zone", one, path, value, other, expected)
