"""Dynamic provider of a whole zone.

`check` and `diff` make no call. A change is one PATCH with only what changed. Record sets that are
not declared are left alone and reported as `foreign`; a strict zone removes them, unless a
`RecordSets` of another program owns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    ReadResult,
    UpdateResult,
)

from components.dynamic import Provider
from components.powerdns import names, ownership, record_sets
from components.powerdns.client import COPIES, PowerDns, PowerDnsError, decoded
from components.powerdns.inputs import CONNECTION, normal_master, zone_refusals
from components.powerdns.record_sets import RRset
from components.powerdns.refusal import Refusal
from components.powerdns.shared import ZoneError, changes_to_send, client, failures, normalise
from components.process import show

OUTPUTS = ("serial", "foreign", "ds")
_PROPERTIES = {
    "kind": "kind",
    "masters": "masters",
    "account": "account",
    "soaEditApi": "soa_edit_api",
    "dnssec": "dnssec",
}
"""Input to the API's property of a zone."""
_ORIGINALS = ("soaEditApi", "dnssec")
"""Of those, what is a primary's to decide, and shows in its copies."""
_KINDS = {"Master": "Primary", "Slave": "Secondary"}
"""What the API still calls them."""


class ZoneProvider(Provider):
    """CRUD of one zone. The id is its name."""

    INPUTS = (
        *CONNECTION,
        "zone",
        "kind",
        "masters",
        "account",
        "soaEditApi",
        "dnssec",
        "transferKeys",
        "metadata",
        "recordSets",
        "strict",
        "adopt",
        "allowBulkChange",
    )
    REPLACES = ("zone",)

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Bring names and values to normal form; refuse what breaks a rule."""
        inputs, refusals = normalise(olds, news)
        inputs["masters"] = [normal_master(master) for master in news["masters"]]
        refusals += zone_refusals(news)
        if not refusals and olds.get("zone") == inputs["zone"] and not inputs["allowBulkChange"]:
            reason = record_sets.brake(*(record_sets.load(props["recordSets"]) for props in (olds, inputs)))
            if reason:
                refusals.append(Refusal("bulk-change", "allowBulkChange", f"is off, and {reason}"))
        imported = inputs.get("importId")
        if imported and not refusals and names.normalise(imported) != inputs["zone"]:
            reason = f"is {imported!r}: the id of a zone is its name, {inputs['zone']}"
            refusals.append(Refusal("other-import", "import", reason))
        return CheckResult(inputs, failures(refusals))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create the zone with its record sets in one call, or import it.

        Raises:
            ZoneError: it exists, and is not to be adopted; or is not there to be imported, or not as declared.
        """
        with client(props) as api:
            foreign = _import(api, props) if props.get("importId") else _create(api, props)
            _set_metadata(api, props["zone"], {}, props["metadata"])
            _announce(api, props)
            return CreateResult(props["zone"], {**self.inputs(props), **_outputs(api, props, foreign)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Send what changed. A new key or address of the API is recorded and sends nothing."""
        if not self.changed(olds, news) - {*CONNECTION, "adopt", "allowBulkChange"}:
            return UpdateResult({**self.inputs(news), **{key: olds[key] for key in OUTPUTS}})
        with client(news) as api:
            foreign = _update(api, olds, news)
            _announce(api, news)
            return UpdateResult({**self.inputs(news), **_outputs(api, news, foreign)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The zone as it is: the declared record sets as inputs, the others as `foreign`."""
        with client(props) as api:
            zone = api.zone(id_)
            if zone is None:
                return ReadResult("", {})
            inputs = {**self.inputs(props), **_present(zone, props)}
            inputs["metadata"] = {
                kind: values for kind, values in api.metadata(id_).items() if kind in props["metadata"]
            }
            foreign: dict[str, str] = {}
            if inputs["kind"] != "Secondary":
                actual = record_sets.of_api(zone["rrsets"])
                mine = _claimed(api, props, actual)
                inputs["recordSets"] = record_sets.dump(record_sets.to_input({key: actual[key] for key in mine}))
                foreign = record_sets.to_input(record_sets.without(actual, mine))
            for key in sorted(foreign.keys() - props["foreign"].keys()):
                show(f"powerdns: {id_} has a record set that is not declared: {key}")
            return ReadResult(id_, {**inputs, "serial": zone["serial"], "foreign": foreign, "ds": api.ds(id_)}, inputs)

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        """Remove the zone.

        Raises:
            ZoneError: other programs have record sets in it.
        """
        with client(props) as api:
            others = sorted(set(ownership.owners(api, id_).values()))
            if others:
                raise ZoneError(f"Zone {id_} holds record sets of {', '.join(others)}: remove those programs' first.")
            api.delete_zone(id_)


def _properties(props: Mapping[str, Any]) -> dict[str, Any]:
    """The zone's properties as the API takes them."""
    secondary = props["kind"] == "Secondary"
    found = {name: props[key] for key, name in _PROPERTIES.items() if not (secondary and key in _ORIGINALS)}
    # Left out, the server would set DEFAULT, and count on a serial that is the primary's.
    own = {"soa_edit_api": ""} if secondary else {"api_rectify": props["dnssec"]}
    keys = [*props["transferKeys"]]
    return {
        **found,
        **own,
        "master_tsig_key_ids": [] if secondary else keys,
        "slave_tsig_key_ids": keys if secondary else [],
    }


def _present(zone: Mapping[str, Any], props: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as the API shows them; as declared where a copy shows its primary's."""
    found = {key: zone[name] for key, name in _PROPERTIES.items()}
    kind = _KINDS.get(zone["kind"], zone["kind"])
    if kind == "Secondary":
        found |= {key: props[key] for key in _ORIGINALS}
    found["masters"] = [normal_master(master) for master in found["masters"]]
    keys = zone["slave_tsig_key_ids" if kind == "Secondary" else "master_tsig_key_ids"]
    return {**found, "kind": kind, "transferKeys": [decoded(key) for key in keys]}


def _contents(props: Mapping[str, Any]) -> dict[str, Any]:
    wanted = record_sets.of_input(props["recordSets"])
    changes = record_sets.plan({}, wanted)
    return {"name": props["zone"], "nameservers": [], "rrsets": changes}


def _create(api: PowerDns, props: Mapping[str, Any]) -> dict[str, str]:
    """Make the zone, or adopt it; its foreign record sets."""
    try:
        api.create_zone({**_properties(props), **_contents(props)})
    except PowerDnsError as error:
        if error.status != requests.codes.conflict:
            raise
        return _adopt(api, props)
    return {}


def _import(api: PowerDns, props: Mapping[str, Any]) -> dict[str, str]:
    """Take over a zone whose record sets are as declared; its foreign record sets."""
    name = props["zone"]
    zone = api.zone(name)
    if zone is None:
        raise ZoneError(f"There is no zone {name} on {props['apiUrl']} to import.")
    declared, actual = record_sets.load(props["recordSets"]), record_sets.to_input(record_sets.of_api(zone["rrsets"]))
    differing = [
        f"{key} is {actual[key]!r}, declared as {text!r}" if key in actual else f"{key} is not there"
        for key, text in declared.items()
        if actual.get(key) != text
    ]
    if differing:
        raise ZoneError(
            f"Zone {name} is not imported, for it is not as declared: {'; '.join(differing)}. Declare what is there, "
            "or leave the import out and set adopt=True, which makes it as declared."
        )
    return _reconcile(api, zone, {}, props)


def _adopt(api: PowerDns, props: Mapping[str, Any]) -> dict[str, str]:
    """Take over a zone that exists; its foreign record sets."""
    name = props["zone"]
    zone = api.zone(name)
    assert zone is not None, "the server has just said that it exists"
    # A run that was cut short after the zone was made has left it with this account.
    own = bool(props["account"]) and zone["account"] == props["account"]
    if not props["adopt"] and not own:
        raise ZoneError(
            f"Zone {name} exists on {props['apiUrl']} (account {zone['account']!r}). Adopt it with adopt=True, which "
            "sets the declared record sets and keeps the others, or remove it."
        )
    return _reconcile(api, zone, {}, props)


def _update(api: PowerDns, olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    """Bring the zone from its former inputs to the new ones; its foreign record sets."""
    name = news["zone"]
    if news["strict"]:
        zone = api.zone(name)
        if zone is None:
            raise ZoneError(f"Zone {name} is gone from {news['apiUrl']}: run `pulumi refresh`, then `pulumi up`.")
        return _reconcile(api, zone, olds["metadata"], news)
    before, after = (record_sets.of_input(props["recordSets"]) for props in (olds, news))
    # What is no longer declared here may be another's by now.
    before = record_sets.without(before, ownership.refuse_owned(api, name, after.keys()))
    _set_properties(api, _properties(olds), news)
    _set_metadata(api, name, olds["metadata"], news["metadata"])
    if news["kind"] != "Secondary":
        _send(api, news, before, after)
    declared = record_sets.load(news["recordSets"])
    return {key: text for key, text in olds["foreign"].items() if key not in declared}


def _reconcile(
    api: PowerDns, zone: Mapping[str, Any], metadata: Mapping[str, Any], props: Mapping[str, Any]
) -> dict[str, str]:
    """Bring the zone from what it is to its inputs; its foreign record sets."""
    name = props["zone"]
    actual = record_sets.of_api(zone["rrsets"] if props["kind"] != "Secondary" else ())
    wanted = record_sets.of_input(props["recordSets"])
    ownership.refuse_owned(api, name, wanted.keys())
    mine = {key: actual[key] for key in _claimed(api, props, actual)}
    reason = None if props["allowBulkChange"] else record_sets.brake(mine, wanted)
    if reason:
        raise ZoneError(f"Zone {name}: {reason}.")
    _set_properties(api, zone, props)
    _set_metadata(api, name, metadata, props["metadata"])
    _send(api, props, mine, wanted)
    return record_sets.to_input(record_sets.without(actual, mine))


def _claimed(api: PowerDns, props: Mapping[str, Any], actual: Mapping[str, RRset]) -> set[str]:
    """Keys of the record sets on the server that this resource answers for."""
    if props["strict"]:
        return set(actual) - ownership.owners(api, props["zone"]).keys()
    return set(actual).intersection(record_sets.load(props["recordSets"]))


def _send(api: PowerDns, props: Mapping[str, Any], before: Mapping[str, RRset], after: Mapping[str, RRset]) -> None:
    changes = changes_to_send(api, props["zone"], before, after)
    if changes:
        api.patch(props["zone"], changes)


def _set_properties(api: PowerDns, before: Mapping[str, Any], props: Mapping[str, Any]) -> None:
    wanted = _properties(props)
    if all(before.get(key) == value for key, value in wanted.items()):
        return
    # Keys of its own go when it becomes a copy; once it is one, it is as signed as its primary.
    unsigned = {"dnssec": False} if before.get("dnssec") and before["kind"] not in COPIES else {}
    api.update_zone(props["zone"], {**unsigned, **wanted})


def _announce(api: PowerDns, props: Mapping[str, Any]) -> None:
    """Start the transfer: the servers themselves look for changes once a minute only."""
    if props["kind"] == "Primary":
        api.notify(props["zone"])
    elif props["kind"] == "Secondary":
        api.retrieve(props["zone"])


def _set_metadata(api: PowerDns, zone: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for kind in sorted(before.keys() | after.keys()):
        if before.get(kind) != after.get(kind):
            api.set_metadata(zone, kind, after.get(kind, ()))


def _outputs(api: PowerDns, props: Mapping[str, Any], foreign: Mapping[str, str]) -> dict[str, Any]:
    zone = api.zone(props["zone"], record_sets=False)
    serial = zone["serial"] if zone else 0
    return {"serial": serial, "foreign": dict(foreign), "ds": api.ds(props["zone"])}
