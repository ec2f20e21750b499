"""Who owns which record sets of a zone that several programs write to.

Each owner but the zone's own has a list of its record sets on the server, as metadata of the zone
(`X-OWNER-<owner>`): PowerDNS keeps no comments with its LMDB backend. An owner writes its list
first and looks at the others' afterwards, so that of two that come at the same time at least one
sees the other.
"""

from __future__ import annotations

from collections.abc import Collection

from components.powerdns.client import PowerDns
from components.powerdns.inputs import OWNER_METADATA


class OwnershipError(Exception):
    """A record set that belongs to somebody else."""


def owners(api: PowerDns, zone: str, but: str | None = None) -> dict[str, str]:
    """Key of a record set (`www.ef-fr.dev. A`) to its owner, for those that have one beside the zone's and `but`."""
    return {
        key: kind.removeprefix(OWNER_METADATA)
        for kind, keys in api.metadata(zone).items()
        if kind.startswith(OWNER_METADATA) and kind.removeprefix(OWNER_METADATA) != but
        for key in keys
    }


def refuse_owned(api: PowerDns, zone: str, keys: Collection[str]) -> frozenset[str]:
    """Let the zone's own program declare record sets only if nobody else owns them.

    Returns:
        The keys that others own, none of these.

    Raises:
        OwnershipError: somebody does.
    """
    owned = owners(api, zone)
    _refuse(zone, {key: owner for key, owner in owned.items() if key in keys})
    return frozenset(owned)


def claim(api: PowerDns, zone: str, owner: str, keys: Collection[str]) -> frozenset[str]:
    """Add record sets to an owner's list.

    Returns:
        Those that were on the list before.

    Raises:
        OwnershipError: somebody else has claimed one; the list is then as it was.
    """
    before = frozenset(api.metadata(zone).get(OWNER_METADATA + owner, ()))
    record(api, zone, owner, before | set(keys))
    taken = {key: other for key, other in owners(api, zone, but=owner).items() if key in keys}
    if taken:
        record(api, zone, owner, before)
    _refuse(zone, taken)
    return before


def record(api: PowerDns, zone: str, owner: str, keys: Collection[str]) -> None:
    """Make `keys` the owner's list."""
    api.set_metadata(zone, OWNER_METADATA + owner, sorted(keys))


def _refuse(zone: str, taken: dict[str, str]) -> None:
    if taken:
        some = "; ".join(f"{key} belongs to {owner}" for key, owner in sorted(taken.items()))
        raise OwnershipError(
            f"Zone {zone}: {some}. A record set has one owner: take it out of one of the two declarations."
        )
