"""Dynamic provider of some record sets in a zone that another program owns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from components.dynamic import Provider
from components.powerdns import ownership, record_sets
from components.powerdns.client import COPIES, PowerDns
from components.powerdns.inputs import CONNECTION
from components.powerdns.ownership import OwnershipError
from components.powerdns.refusal import Refusal
from components.powerdns.shared import ZoneError, changes_to_send, client, failures, normalise

LONGEST_OWNER = 100
ZONES_OWN = "belongs to the zone's own declaration: change it there"


class RecordSetsProvider(Provider):
    """CRUD of the record sets of one owner. The id is `<zone>/<owner>`."""

    INPUTS = (*CONNECTION, "zone", "owner", "recordSets")
    REPLACES = ("zone", "owner")

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Bring names and values to normal form; refuse what breaks a rule."""
        inputs, refusals = normalise(olds, news, whole=False)
        apex = (f"{inputs['zone']} {type_}" for type_ in ("NS", "SOA"))
        if isinstance(inputs["recordSets"], str):
            declared = record_sets.load(inputs["recordSets"])
            refusals += [Refusal("zones-own", key, ZONES_OWN) for key in apex if key in declared]
        if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_OWNER - 1}}}", inputs["owner"]):
            reason = f"is {inputs['owner']!r}: 1 to {LONGEST_OWNER} letters, digits, dots, dashes and underscores"
            refusals.append(Refusal("bad-owner", "owner", reason))
        return CheckResult(inputs, failures(refusals))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        found = super().diff(_id, olds, news)
        # The new owner could not claim what the old one still has.
        found.delete_before_replace = True
        return found

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Claim the record sets, then make them.

        Raises:
            OwnershipError: one of them is another's.
            ZoneError: the zone is not there, or only a copy of it.
        """
        with client(props) as api:
            _bring_about(api, props, record_sets.dump({}))
        return CreateResult(f"{props['zone']}/{props['owner']}", self.inputs(props))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Send what changed. A new key or address of the API is recorded and sends nothing."""
        if olds["recordSets"] != news["recordSets"]:
            with client(news) as api:
                _bring_about(api, news, olds["recordSets"])
        return UpdateResult(self.inputs(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The declared record sets as they are on the server."""
        with client(props) as api:
            zone = api.zone(props["zone"])
        actual = record_sets.of_api(zone["rrsets"]) if zone else {}
        present = {key: actual[key] for key in record_sets.load(props["recordSets"]) if key in actual}
        if not present:
            return ReadResult("", {})
        inputs = {**self.inputs(props), "recordSets": record_sets.dump(record_sets.to_input(present))}
        return ReadResult(id_, inputs, inputs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove the record sets, and then the claim to them."""
        zone, owner = props["zone"], props["owner"]
        with client(props) as api:
            found = api.zone(zone, record_sets=False)
            if found is None:
                return
            mine = {key for key, claimant in ownership.owners(api, zone).items() if claimant == owner}
            before = record_sets.of_input(props["recordSets"])
            changes = record_sets.plan({key: before[key] for key in before if key in mine}, {})
            # What a copy holds is its masters' to remove.
            if changes and found["kind"] not in COPIES:
                api.patch(zone, changes)
                api.announce(zone)
            ownership.record(api, zone, owner, ())


def _bring_about(api: PowerDns, props: Mapping[str, Any], olds: str) -> None:
    zone, owner = props["zone"], props["owner"]
    found = api.zone(zone, record_sets=False)
    if found is None:
        raise ZoneError(f"There is no zone {zone} on {props['apiUrl']}: its own program has to create it first.")
    if found["kind"] in COPIES:
        raise ZoneError(
            f"Zone {zone} on {props['apiUrl']} is a copy, fetched from {', '.join(found['masters'])}: record sets "
            "that are made here reach nobody else. Give the API of the server that it is fetched from."
        )
    before, after = record_sets.of_input(olds), record_sets.of_input(props["recordSets"])
    claimed = ownership.claim(api, zone, owner, after.keys())
    try:
        _refuse_existing(api, zone, after.keys() - claimed)
    except OwnershipError:
        ownership.record(api, zone, owner, claimed)
        raise
    changes = changes_to_send(api, zone, before, after)
    if changes:
        api.patch(zone, changes)
        api.announce(zone)
    ownership.record(api, zone, owner, after.keys())


def _refuse_existing(api: PowerDns, zone: str, keys: Collection[str]) -> None:
    """What is there and nobody has claimed is the zone's own, or was made by hand."""
    present = [key for key in sorted(keys) if api.record_set(zone, *key.split(" "))]
    if present:
        raise OwnershipError(
            f"Zone {zone}: {', '.join(present)} exists already, declared with the zone or made by hand. A record set "
            "has one owner: take it out of the other declaration, or remove it from the server."
        )
