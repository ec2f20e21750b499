"""Rules between a site and its backup server; `conflicts` applies them with the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings.stack import Settings

Finding = tuple[str, str, object, str]
"""Rule, key path, value, and what was expected, with `{}` for the name of the other file."""


def kept_by(site: Settings, server: Settings) -> Iterator[Finding]:
    """The stack that a site names keeps backups, and the site's among them."""
    if site.backup.stack != server.site:
        return
    if server.backup_server is None:
        yield "no-backup-server", "backup.stack", server.site, "must name a stack with a backupServer; {} has none"
    elif site.site not in server.backup_server.sites:
        expected = f"keeps no backups of this site: backupServer.sites of {{}} must name {site.site}"
        yield "not-backed-up", "backup.stack", server.site, expected


def told(server: Settings, site: Settings) -> Iterator[Finding]:
    """What a backup server is told of a site is what the site's own file says."""
    found = server.backup_server.sites.get(site.site) if server.backup_server else None
    if found is None:
        return
    path = f"backupServer.sites.{site.site}"
    if not any(site.network.cidr.subnet_of(network) for network in found.networks):
        networks = ", ".join(map(str, found.networks))
        yield "network-not-served", f"{path}.networks", networks, f"must hold network.cidr of {{}}, {site.network.cidr}"
    if found.dns_address and site.services and found.dns_address != site.services.dns_address:
        expected = f"must be services.dnsAddress of {{}}, {site.services.dns_address}"
        yield "copied-elsewhere", f"{path}.dnsAddress", found.dns_address, expected
    if found.zones and site.services and found.dns_port != site.services.dns_port:
        expected = f"must be services.dnsPort of {{}}, {site.services.dns_port}"
        yield "copied-from-other-port", f"{path}.dnsPort", found.dns_port, expected
    for index, zone in enumerate(found.zones):
        if zone not in site.domains:
            expected = f"must be one of domains of {{}}, {', '.join(site.domains)}"
            yield "strange-zone", f"{path}.zones[{index}]", zone, expected
