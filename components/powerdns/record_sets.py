"""Record sets, as inputs write them and as the API does, and what must be sent to get from some to others.

As an input, all record sets of a zone are one mapping, so that a preview shows the change of each
record on a line of its own:

    www.ef-fr.dev. A: "300 192.0.2.1\\n300 192.0.2.2"

The key is the name and the type; the value has a line for each record, the TTL in seconds and the
record's value, as in a zone file.

`check` hands the mapping on as JSON text. The engine shows that as the mapping that it holds, line by line, and
keeps and sends it as one value, where a mapping costs it something for each entry: in a zone of ten thousand
record sets that is most of the time of an update.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.output import Unknown

from components.powerdns import names, values
from components.powerdns.refusal import Refusal, RefusedError

LONGEST_TTL = 2**31 - 1
"""Seconds (RFC 2181, 8)."""
BRAKE_SIZE = 10
"""Smaller zones have no brake."""
BRAKE_SHARE = 0.3
"""Share of a zone that one update may delete or change."""
UNKNOWN = "[unknown]"
"""Stands for the records of a set that a preview does not know, as it does in the engine's own words."""


@dataclass(frozen=True)
class RRset:
    """A record set in normal form."""

    name: str
    type: str
    ttl: int
    """Seconds."""
    values: tuple[str, ...]
    """Sorted; empty while a preview does not know them."""

    @property
    def key(self) -> str:
        return f"{self.name} {self.type}"

    @property
    def text(self) -> str:
        """As an input writes it."""
        return "\n".join(f"{self.ttl} {value}" for value in self.values)


def normalise(
    zone: str, inputs: Mapping[str, Any], known: Mapping[str, str]
) -> tuple[dict[str, str], list[RRset], list[Refusal]]:
    """Bring the record sets of an input to normal form.

    Args:
        zone: The zone's name in normal form.
        inputs: The record sets; a value may be unknown in a preview.
        known: Record sets that are known to be in normal form.

    Returns:
        The input in normal form, the record sets, and what is refused.
    """
    normal: dict[str, str] = {}
    found: list[RRset] = []
    refusals: list[Refusal] = []
    for written, text in inputs.items():
        try:
            name, type_ = _key(zone, written)
            key = f"{name} {type_}"
            if key in normal:
                raise RefusedError("declared-twice", f"is declared twice, as {key}: put its records into one set")
            rrset = _split(key, text) if known.get(key) == text else _parse(name, type_, text)
        except RefusedError as error:
            refusals.append(error.at(written))
            continue
        normal[key] = rrset.text or UNKNOWN
        found.append(rrset)
    return dict(sorted(normal.items())), found, refusals


def dump(inputs: Mapping[str, str]) -> str:
    """An input in normal form as JSON text."""
    return json.dumps(inputs, separators=(",", ":"))


def load(text: str) -> dict[str, str]:
    """The input that `dump` made a text of."""
    inputs: dict[str, str] = json.loads(text)
    return inputs


def of_input(text: str) -> dict[str, RRset]:
    """The record sets of an input in normal form, given as JSON text."""
    return {key: _split(key, lines) for key, lines in load(text).items()}


def of_api(rrsets: Iterable[Mapping[str, Any]]) -> dict[str, RRset]:
    """The record sets that the API lists. Disabled records are not served, so they do not count."""
    found = {}
    for item in rrsets:
        enabled = sorted(
            values.read(item["type"], record["content"]) for record in item["records"] if not record["disabled"]
        )
        rrset = RRset(item["name"].lower(), item["type"], item["ttl"], tuple(enabled))
        if enabled:
            found[rrset.key] = rrset
    return found


def to_api(rrset: RRset) -> dict[str, Any]:
    """A record set as the API wants it, to stand in place of what is there."""
    return {
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "changetype": "REPLACE",
        "records": [{"content": value, "disabled": False} for value in rrset.values],
    }


def plan(before: Mapping[str, RRset], after: Mapping[str, RRset]) -> list[dict[str, Any]]:
    """What to send to get from some record sets to others.

    Deletions come first: the server goes through the list in order and refuses a CNAME while the
    records that it takes the place of are there.
    """
    gone = [rrset for key, rrset in before.items() if key not in after]
    new = [rrset for key, rrset in after.items() if before.get(key) != rrset]
    return [
        *({"name": rrset.name, "type": rrset.type, "changetype": "DELETE"} for rrset in gone),
        *(to_api(rrset) for rrset in new),
    ]


def with_serial(changes: Iterable[Mapping[str, Any]], serial: int) -> list[dict[str, Any]]:
    """The changes, with the zone's present serial in a SOA record among them: the server counts on from it."""
    return [
        {**change, "records": [{**record, "content": _soa(record["content"], serial)} for record in change["records"]]}
        if change["type"] == "SOA" and change["changetype"] == "REPLACE"
        else dict(change)
        for change in changes
    ]


def brake(before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """Why a change is too large to be made by accident; None if it is not.

    Args:
        before: The record sets that are there; any values that can be compared.
        after: Those asked for; one that is not known yet counts as unchanged.
    """
    lost = [key for key, value in before.items() if after.get(key) not in (value, UNKNOWN)]
    if len(before) < BRAKE_SIZE or len(lost) <= BRAKE_SHARE * len(before):
        return None
    some = ", ".join([*sorted(lost)[:5], *(["..."] if len(lost) > 5 else [])])
    return (
        f"{len(lost)} of {len(before)} record sets would be deleted or changed ({some}), "
        f"and the limit is {BRAKE_SHARE:.0%}: allow the bulk change for this update if it is meant"
    )


def without(rrsets: Mapping[str, RRset], keys: Collection[str]) -> dict[str, RRset]:
    """The record sets that are not among `keys`."""
    return {key: rrset for key, rrset in rrsets.items() if key not in keys}


def to_input(rrsets: Mapping[str, RRset]) -> dict[str, str]:
    """Record sets as an input writes them."""
    return {key: rrsets[key].text for key in sorted(rrsets)}


def _soa(content: str, serial: int) -> str:
    words = content.split(" ")
    return " ".join([*words[:2], str(serial), *words[3:]])


def _split(key: str, text: str) -> RRset:
    """A record set in normal form."""
    name, _, type_ = key.partition(" ")
    lines = [line.partition(" ") for line in text.split("\n")]
    return RRset(name, type_, int(lines[0][0]), tuple(value for _, _, value in lines))


def _key(zone: str, written: str) -> tuple[str, str]:
    """Name and type of a record set, in normal form.

    Raises:
        RefusedError: there can be no such record set in the zone.
    """
    text, _, type_ = written.strip().rpartition(" ")
    name, type_ = names.within(text.strip(), zone), type_.upper()
    _check_type(zone, name, type_)
    return name, type_


def _parse(name: str, type_: str, text: Any) -> RRset:
    """A record set whose records are in any form that an input may have.

    Raises:
        RefusedError: they break a rule that concerns this record set alone.
    """
    if isinstance(text, Unknown):
        return RRset(name, type_, 0, ())
    if not isinstance(text, str) or not text.strip():
        raise RefusedError("no-records", "has no records: give it one, or leave the record set out")
    ttls, found = set(), []
    for line in text.split("\n"):
        ttl, _, value = line.partition(" ")
        ttls.add(_ttl(ttl))
        found.append(values.canonical(type_, value))
    if len(ttls) > 1:
        raise RefusedError("ttl-differs", f"has the TTLs {sorted(ttls)}: a record set has one (RFC 2181, 5.2)")
    if len(set(found)) < len(found):
        twice = next(value for value in found if found.count(value) > 1)
        raise RefusedError("value-twice", f"holds {twice!r} twice: each record of a set is different (RFC 2181, 5)")
    if type_ in values.SINGLE and len(found) > 1:
        raise RefusedError("several-values", f"has {len(found)} records: a name has one {type_} record")
    return RRset(name, type_, ttls.pop(), tuple(sorted(found)))


def _check_type(zone: str, name: str, type_: str) -> None:
    if type_ in values.GENERATED:
        raise RefusedError(
            "generated-type", f"has the type {type_}, which the server makes itself when it signs a zone"
        )
    if not values.is_known(type_):
        raise RefusedError("unknown-type", f"has the type {type_!r}, which PowerDNS does not know in a zone")
    if type_ in ("SOA", "DNSKEY", "CDS", "CDNSKEY", "ZONEMD") and name != zone:
        raise RefusedError("apex-only", f"has the type {type_}, which belongs to the zone's own name, {zone}")


def _ttl(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > LONGEST_TTL:
        raise RefusedError("bad-ttl", f"has the TTL {text!r}: seconds from 0 to {LONGEST_TTL}")
    return int(text)
