"""The resources that the dynamic providers of this room serve."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.powerdns import names
from components.powerdns.provider import OUTPUTS, ZoneProvider
from components.powerdns.record_sets_provider import RecordSetsProvider
from components.powerdns.tsig_provider import TsigKeyProvider

DAY = 86400


@dataclass(frozen=True)
class Connection:
    """How the API of a server is reached."""

    api_url: pulumi.Input[str]
    """`https://host:port`; plain http to a loopback address only."""
    api_key: pulumi.Input[str]
    """Secret."""
    ca_certificate: pulumi.Input[str] = ""
    """PEM of the only CA to trust; empty to trust what the machine trusts."""
    server_id: pulumi.Input[str] = "localhost"

    def props(self) -> dict[str, Any]:
        """As inputs of a resource."""
        return {
            "apiUrl": self.api_url,
            "apiKey": pulumi.Output.secret(self.api_key),
            "caCertificate": self.ca_certificate,
            "serverId": self.server_id,
        }


@dataclass(frozen=True)
class RecordSet:
    """All records of one name and type."""

    name: str
    """The full name, with or without the trailing dot, or `@` for the zone's own."""
    type: str
    """`A`, `MX`, ..."""
    records: Sequence[pulumi.Input[str]]
    """Values as zone files write them, names in them in full; the text itself for TXT."""
    ttl: int = 3600
    """Seconds."""

    @property
    def key(self) -> str:
        return f"{self.name} {self.type}"

    @property
    def text(self) -> pulumi.Input[str]:
        """A line for each record: its TTL and value."""
        if all(isinstance(record, str) for record in self.records):
            return self._lines(self.records)
        return pulumi.Output.all(*self.records).apply(self._lines)

    def _lines(self, records: Sequence[Any]) -> str:
        for record in records:
            if "\n" in record:
                raise pulumi.RunError(
                    f"{self.key}: {record!r} holds a line break. Each record is an item of its own; in a TXT record "
                    "write the text in double quotes, and \\010 for the break."
                )
        return "\n".join(f"{self.ttl} {record}" for record in records)


@dataclass(frozen=True)
class Soa:
    """The zone's SOA record; the server counts its serial. All times in seconds (RFC 1912, 2.2)."""

    mailbox: str | None = None
    """Mail address of who answers for the zone; None: `hostmaster@<zone>`."""
    refresh: int = 3 * 3600
    retry: int = 3600
    expire: int = 14 * DAY
    minimum: int = 3600
    """How long others remember that a name does not exist (RFC 2308)."""
    ttl: int = 3600


@dataclass(frozen=True)
class ZoneArgs:
    """Inputs of a zone."""

    connection: Connection
    zone: str
    """Its name, with or without the trailing dot."""
    nameservers: Sequence[str] = ()
    """Names of its servers; the first is the SOA record's. None for a Secondary zone."""
    record_sets: Sequence[RecordSet] = ()
    """All but the SOA and NS record sets of the zone's own name."""
    kind: str = "Native"
    """`Native`, `Primary` (notifies its secondaries) or `Secondary` (is fetched from `masters`)."""
    masters: Sequence[pulumi.Input[str]] = ()
    """Addresses that a Secondary zone is fetched from, with or without a port."""
    soa: Soa = Soa()
    soa_edit_api: str = "DEFAULT"
    """How a change raises the serial: DEFAULT (YYYYMMDDnn), INCREASE or EPOCH."""
    dnssec: bool = False
    """Sign the zone with keys that the server makes. Switching it off removes them: remove the DS records from
    the parent zone first, and wait for their TTL."""
    transfer_keys: Sequence[pulumi.Input[str]] = ()
    """Names of the `TsigKey`s that sign transfers: those allowed to fetch the zone, or the one to fetch it with."""
    metadata: Mapping[str, Sequence[pulumi.Input[str]]] | None = None
    """Kind to values, such as `ALLOW-AXFR-FROM` or `ALSO-NOTIFY`."""
    strict: bool = False
    """Remove record sets that are not declared here, unless a `RecordSets` owns them."""
    adopt: bool = False
    """Take over a zone that exists."""
    allow_bulk_change: bool = False
    """Allow an update that deletes or changes more than 30 % of ten record sets or more."""
    account: str | None = None
    """What the server records as the zone's owner; a zone found with the same is taken for one's own, left by a
    run that was cut short. None: `<project>/<stack>`."""


class Zone(Resource, module="powerdns", name="Zone"):
    """A zone and all the record sets that it declares.

    The option `import_`, the zone's name, takes over one that exists, if its record sets are as they are declared.
    """

    zone: pulumi.Output[str]
    """Its name, with the trailing dot."""
    serial: pulumi.Output[int]
    foreign: pulumi.Output[dict[str, str]]
    """Record sets that are there and not declared here."""
    ds: pulumi.Output[list[str]]
    """DS records for the parent zone, if this one is signed."""

    def __init__(self, name: str, args: ZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            **args.connection.props(),
            "zone": args.zone,
            "kind": args.kind,
            "masters": list(args.masters),
            "account": f"{pulumi.get_project()}/{pulumi.get_stack()}" if args.account is None else args.account,
            "soaEditApi": args.soa_edit_api,
            "dnssec": args.dnssec,
            "transferKeys": list(args.transfer_keys),
            "metadata": {kind: list(values) for kind, values in (args.metadata or {}).items()},
            "recordSets": _mapping([*_apex(args), *args.record_sets]),
            "strict": args.strict,
            "adopt": args.adopt,
            "allowBulkChange": args.allow_bulk_change,
            # Only known once the zone is there; an output has to be declared.
            **dict.fromkeys(OUTPUTS),
        }
        if opts and opts.import_:
            # The engine would ask a provider that it does not know yet, as dynamic ones come with the inputs:
            # `create` imports.
            props["importId"] = opts.import_
            opts = copy.copy(opts)
            opts.import_ = None
        super().__init__(ZoneProvider(), name, props, opts)


@dataclass(frozen=True)
class RecordSetsArgs:
    """Inputs of record sets in a zone of another program."""

    connection: Connection
    zone: pulumi.Input[str]
    record_sets: Sequence[RecordSet]
    owner: str | None = None
    """Who owns them, unique in the zone: letters, digits, dots, dashes and underscores. None:
    `<project>.<stack>.<name of the resource>`."""


class RecordSets(Resource, module="powerdns", name="RecordSets"):
    """Record sets in a zone that another program declares. A record set has one owner."""

    zone: pulumi.Output[str]
    owner: pulumi.Output[str]

    def __init__(self, name: str, args: RecordSetsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        owner = f"{pulumi.get_project()}.{pulumi.get_stack()}.{name}" if args.owner is None else args.owner
        props = {
            **args.connection.props(),
            "zone": args.zone,
            "owner": owner,
            "recordSets": _mapping(args.record_sets),
        }
        super().__init__(RecordSetsProvider(), name, props, opts)


@dataclass(frozen=True)
class TsigKeyArgs:
    """Inputs of a key for zone transfers."""

    connection: Connection
    name: str
    """A domain name; both servers call the key so."""
    key: pulumi.Input[str]
    """The shared key in base64, secret."""
    algorithm: str = "hmac-sha256"


class TsigKey(Resource, module="powerdns", name="TsigKey"):
    """A key that primary and secondary servers share."""

    name: pulumi.Output[str]
    """With the trailing dot, as `ZoneArgs.transfer_keys` takes it."""

    def __init__(self, name: str, args: TsigKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            **args.connection.props(),
            "name": args.name,
            "algorithm": args.algorithm,
            "key": pulumi.Output.secret(args.key),
        }
        super().__init__(TsigKeyProvider(), name, props, opts)


def _apex(args: ZoneArgs) -> list[RecordSet]:
    """The record sets that every zone has at its own name."""
    if not args.nameservers:
        return []
    soa = args.soa
    primary = args.nameservers[0]
    mailbox = names.of_mailbox(soa.mailbox or f"hostmaster@{args.zone}")
    value = f"{primary} {mailbox} 0 {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
    return [RecordSet("@", "SOA", [value], soa.ttl), RecordSet("@", "NS", args.nameservers)]


def _mapping(record_sets: Sequence[RecordSet]) -> dict[str, pulumi.Input[str]]:
    mapping: dict[str, pulumi.Input[str]] = {}
    for record_set in record_sets:
        if record_set.key in mapping:
            raise pulumi.RunError(f"{record_set.key} is declared twice: put its records into one set.")
        mapping[record_set.key] = record_set.text
    return mapping
