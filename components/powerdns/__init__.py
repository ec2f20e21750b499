"""Zones and record sets on a PowerDNS authoritative server."""

from components.powerdns.resources import (
    Connection,
    RecordSet,
    RecordSets,
    RecordSetsArgs,
    Soa,
    TsigKey,
    TsigKeyArgs,
    Zone,
    ZoneArgs,
)

__all__ = [
    "Connection",
    "RecordSet",
    "RecordSets",
    "RecordSetsArgs",
    "Soa",
    "TsigKey",
    "TsigKeyArgs",
    "Zone",
    "ZoneArgs",
]
