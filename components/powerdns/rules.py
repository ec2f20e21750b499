"""Rules that concern the record sets of a zone together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from components.powerdns import names, values
from components.powerdns.record_sets import RRset
from components.powerdns.refusal import Refusal

ADDRESSES = frozenset({"A", "AAAA", "ALIAS", "LUA"})
"""Types that give a name an address."""
NO_ALIAS = frozenset({"MX", "NS", "SRV"})
"""Types that may not point at an alias (RFC 2181, 10.3; RFC 2782)."""
AT_DELEGATION = frozenset({"NS", "DS"})


class Contents:
    """The record sets of one zone, by name."""

    def __init__(self, zone: str, rrsets: Sequence[RRset]) -> None:
        self.zone = zone
        self.rrsets = rrsets
        by_name: defaultdict[str, dict[str, RRset]] = defaultdict(dict)
        for rrset in rrsets:
            by_name[rrset.name][rrset.type] = rrset
        self.by_name: Mapping[str, Mapping[str, RRset]] = dict(by_name)
        self.delegations = {rrset.name for rrset in rrsets if rrset.type == "NS" and rrset.name != zone}
        self.redirections = {rrset.name for rrset in rrsets if rrset.type == "DNAME"}

    def types(self, name: str) -> frozenset[str]:
        return frozenset(self.by_name.get(name, ()))

    def above(self, name: str, among: set[str]) -> str | None:
        """The name among some that `name` lies below."""
        while among and name not in ("", "."):
            name = name.partition(".")[2]
            if name in among:
                return name
        return None

    def has_address(self, name: str) -> bool:
        """Whether a name of the zone has an address, by itself, by a wildcard or by a DNAME."""
        if self.types(name) & (ADDRESSES | {"CNAME"}) or self.above(name, self.redirections):
            return True
        # A name that exists, if only as a part of a longer one, hides the wildcard; that much depth is not worth it.
        parent = name.partition(".")[2]
        while not self.types(name) and names.is_below(parent, self.zone):
            if self.types(f"*.{parent}") & (ADDRESSES | {"CNAME"}):
                return True
            parent = parent.partition(".")[2]
        return False


def refusals(zone: str, rrsets: Sequence[RRset], *, whole: bool) -> list[Refusal]:
    """What is wrong with record sets that are each right by themselves.

    Args:
        zone: The zone's name in normal form.
        rrsets: Record sets of different keys. While the values of one are unknown, it points nowhere.
        whole: Whether they are all there is in the zone; otherwise what is missing may be elsewhere.
    """
    contents = Contents(zone, rrsets)
    rules = RULES + WHOLE_ZONE_RULES if whole else RULES
    return [refusal for rule in rules for refusal in rule(contents)]


def cname_stands_alone(contents: Contents) -> Iterator[Refusal]:
    """RFC 1034, 3.6.2."""
    for name, types in contents.by_name.items():
        others = sorted(types.keys() - {"CNAME"})
        if "CNAME" in types and others and name != contents.zone:
            reason = f"stands beside {', '.join(others)} of the same name: an alias has no other data (RFC 1034, 3.6.2)"
            yield Refusal("cname-beside-data", types["CNAME"].key, reason)


def no_cname_at_apex(contents: Contents) -> Iterator[Refusal]:
    """The zone's own name always has SOA and NS records."""
    if "CNAME" in contents.types(contents.zone):
        reason = "stands at the zone's own name, which has other data: use ALIAS, or A and AAAA"
        yield Refusal("cname-at-apex", f"{contents.zone} CNAME", reason)


def nothing_below_dname(contents: Contents) -> Iterator[Refusal]:
    """RFC 6672, 2.4."""
    for rrset in contents.rrsets:
        above = contents.above(rrset.name, contents.redirections)
        if above:
            reason = f"lies below {above}, whose DNAME sends every such name elsewhere: it would never be served"
            yield Refusal("below-dname", rrset.key, reason)


def only_glue_below_delegation(contents: Contents) -> Iterator[Refusal]:
    """What is below a delegation belongs to the zone that it names (RFC 2181, 6)."""
    servers = {value for name in contents.delegations for value in contents.by_name[name]["NS"].values}
    for rrset in contents.rrsets:
        above = rrset.name if rrset.name in contents.delegations else contents.above(rrset.name, contents.delegations)
        glue = rrset.type in ("A", "AAAA") and rrset.name in servers
        at_cut = rrset.name in contents.delegations and rrset.type in AT_DELEGATION
        if above and not glue and not at_cut:
            reason = (
                f"lies in {above}, which is delegated: declare it in that zone; here only its servers' addresses count"
            )
            yield Refusal("below-delegation", rrset.key, reason)


def ds_at_delegation(contents: Contents) -> Iterator[Refusal]:
    """RFC 4035, 2.4."""
    for rrset in contents.rrsets:
        if rrset.type == "DS" and rrset.name not in contents.delegations:
            reason = f"needs an NS record set of the same name: DS secures a delegation. {_ds_at_apex(contents, rrset)}"
            yield Refusal("ds-without-ns", rrset.key, reason.strip())


def no_wildcard_delegation(contents: Contents) -> Iterator[Refusal]:
    """RFC 4592, 4.2."""
    for rrset in contents.rrsets:
        if rrset.name.startswith("*.") and rrset.type in ("NS", "DS", "DNAME", "SOA"):
            reason = f"is a wildcard, which has no meaning for {rrset.type} (RFC 4592, 4): name each"
            yield Refusal("wildcard-delegation", rrset.key, reason)


def targets_are_no_aliases(contents: Contents) -> Iterator[Refusal]:
    """RFC 2181, 10.3."""
    for rrset in contents.rrsets:
        for value in rrset.values if rrset.type in NO_ALIAS else ():
            name = values.target(value)
            if "CNAME" in contents.types(name):
                reason = f"points at {name}, an alias: {rrset.type} takes the real name (RFC 2181, 10.3)"
                yield Refusal("target-is-alias", rrset.key, reason)


def null_mx_stands_alone(contents: Contents) -> Iterator[Refusal]:
    """RFC 7505, 3."""
    for rrset in contents.rrsets:
        if rrset.type == "MX" and len(rrset.values) > 1 and any(values.target(value) == "." for value in rrset.values):
            yield Refusal("null-mx", rrset.key, "says that there is no mail (`.`), and names servers too (RFC 7505, 3)")


def has_soa(contents: Contents) -> Iterator[Refusal]:
    """Without one the zone is not served."""
    if "SOA" not in contents.types(contents.zone):
        yield Refusal("no-soa", f"{contents.zone} SOA", "is missing: every zone has one")


def has_nameservers(contents: Contents) -> Iterator[Refusal]:
    """RFC 1912, 2.8; two are asked for, but a site may have one."""
    if "NS" not in contents.types(contents.zone):
        yield Refusal("no-nameservers", f"{contents.zone} NS", "is missing: name the servers of the zone")


def nameservers_have_addresses(contents: Contents) -> Iterator[Refusal]:
    """A name server in the zone, or below a delegation, is found through its address here (RFC 1034, 4.2.1)."""
    for rrset in contents.rrsets:
        for server in rrset.values if rrset.type == "NS" else ():
            delegated = contents.above(server, contents.delegations) or (server in contents.delegations and server)
            # The servers of one delegation that lie in another are found through that one's own glue.
            if not names.is_below(server, contents.zone) or (delegated and delegated != rrset.name):
                continue
            if not contents.types(server) & {"A", "AAAA"} and (delegated or not contents.has_address(server)):
                reason = f"names the server {server}, whose address is missing: declare {server} A (or AAAA) here too"
                yield Refusal("missing-glue", rrset.key, reason)


def _ds_at_apex(contents: Contents, rrset: RRset) -> str:
    return "The zone's own DS belongs to its parent zone." if rrset.name == contents.zone else ""


Rule = Callable[[Contents], Iterator[Refusal]]
RULES: tuple[Rule, ...] = (
    no_cname_at_apex,
    cname_stands_alone,
    nothing_below_dname,
    only_glue_below_delegation,
    ds_at_delegation,
    no_wildcard_delegation,
    targets_are_no_aliases,
    null_mx_stands_alone,
)
WHOLE_ZONE_RULES: tuple[Rule, ...] = (
    has_soa,
    has_nameservers,
    nameservers_have_addresses,
)
