"""The zones on a site's name server: its own, with what they delegate, and copies of the zones that hold them."""

from __future__ import annotations

import pulumi

from components.powerdns import Connection, TsigKey, TsigKeyArgs, Zone, ZoneArgs
from components.socle import hosts
from settings import Services, Settings

TRANSFER_KEY = "oss-nextgen-transfer."
"""Name of the key that signs transfers and notifications, on every server of the platform."""


def declare(
    settings: Settings,
    services: Services,
    connection: Connection,
    transfer_key: pulumi.Output[str] | None,
    parent: pulumi.Resource,
) -> dict[str, Zone]:
    """Declare the zones of a site.

    Args:
        settings: The site's.
        services: The same, `settings.services`.
        connection: How the site's name server is reached.
        transfer_key: Base64, secret. None: nothing is transferred, and a site has no copies.
        parent: Of the resources.

    Returns:
        The site's own zones by their names.
    """
    own = pulumi.ResourceOptions(parent=parent, protect=settings.protection)
    keys = _transfer_keys(settings, services, connection, transfer_key, parent)
    told = [f"{address}:{services.dns_port}" for address in hosts.secondaries(services)] if keys else []
    zones = {
        domain: Zone(
            domain,
            ZoneArgs(
                connection=connection,
                zone=domain,
                nameservers=[hosts.nameserver(domain)],
                record_sets=hosts.record_sets(
                    domain, domain == settings.domains[0], services, settings.external_services
                ),
                kind="Primary" if told else "Native",
                transfer_keys=keys,
                metadata={"ALSO-NOTIFY": told} if told else None,
                allow_bulk_change=services.dns_bulk_change,
            ),
            own,
        )
        for domain in settings.domains
    }
    for zone in hosts.parents(settings.domains) if keys and services.dns_parent else ():
        masters = [f"{services.dns_parent}:{services.dns_port}"]
        args = ZoneArgs(connection, zone, kind="Secondary", masters=masters, transfer_keys=keys)
        Zone(f"{zone}-copy", args, pulumi.ResourceOptions(parent=parent))
    return zones


def _transfer_keys(
    settings: Settings,
    services: Services,
    connection: Connection,
    transfer_key: pulumi.Output[str] | None,
    parent: pulumi.Resource,
) -> list[pulumi.Input[str]]:
    """The name of the key that signs transfers, once the server has it; none, with a warning where one is missed."""
    if transfer_key is not None:
        args = TsigKeyArgs(connection, TRANSFER_KEY, transfer_key)
        return [TsigKey("zone-transfers", args, pulumi.ResourceOptions(parent=parent)).name]
    if services.dns_parent or hosts.secondaries(services):
        pulumi.log.warn(
            "No zone is transferred, for oss-nextgen:dnsTransferKey is not set: give every stack the same, by "
            f"pulumi config set --secret oss-nextgen:dnsTransferKey -s {settings.site}"
        )
    return []
