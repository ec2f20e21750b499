"""What the providers of this room share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CheckFailure
from pulumi.output import Unknown

from components.powerdns import names, record_sets, rules
from components.powerdns.client import PowerDns
from components.powerdns.inputs import CONNECTION, connection_refusals
from components.powerdns.record_sets import RRset
from components.powerdns.refusal import Refusal, RefusedError


class ZoneError(Exception):
    """A zone that is not as it should be, and what to do."""


def client(props: Mapping[str, Any]) -> PowerDns:
    """A client of the server that the inputs name."""
    return PowerDns(*(props[key] for key in CONNECTION))


def normalise(
    olds: Mapping[str, Any], news: Mapping[str, Any], *, whole: bool = True
) -> tuple[dict[str, Any], list[Refusal]]:
    """Inputs with the zone's name and the record sets in normal form, and what is refused.

    Args:
        olds: The former inputs, which are in that form; empty if there are none.
        news: The inputs.
        whole: Whether the record sets are all there is in the zone.
    """
    refusals = list(connection_refusals(news))
    if isinstance(news["zone"], Unknown) or isinstance(news["recordSets"], Unknown):
        return dict(news), refusals
    try:
        zone = names.normalise(news["zone"])
    except RefusedError as error:
        return dict(news), [*refusals, error.at("zone")]
    known = record_sets.load(olds["recordSets"]) if olds.get("zone") == zone else {}
    normal, rrsets, found = record_sets.normalise(zone, news["recordSets"], known)
    refusals += found
    if not found and news.get("kind") != "Secondary":
        refusals += rules.refusals(zone, rrsets, whole=whole)
    return {**news, "zone": zone, "recordSets": record_sets.dump(normal)}, refusals


def failures(refusals: list[Refusal]) -> list[CheckFailure]:
    """As the engine takes them: without a property, since it would print that one's value, were it a secret."""
    return [CheckFailure("", f"{refusal.where} {refusal.reason} [{refusal.rule}]") for refusal in refusals]


def changes_to_send(
    api: PowerDns, zone: str, before: Mapping[str, RRset], after: Mapping[str, RRset]
) -> list[dict[str, Any]]:
    """The body of the PATCH; a SOA record in it gets the zone's present serial."""
    changes = record_sets.plan(before, after)
    if not any(change["type"] == "SOA" for change in changes):
        return changes
    found = api.zone(zone, record_sets=False)
    return record_sets.with_serial(changes, found["serial"] if found else 0)
