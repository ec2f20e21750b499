"""Inputs of the providers, as the engine would hand them over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.powerdns import record_sets as rrsets
from tests.unit.powerdns.server import KEY, Server

ZONE = "ef-fr.dev."
APEX = {
    "ef-fr.dev. NS": "3600 ns1.ef-fr.dev.",
    "ef-fr.dev. SOA": "3600 ns1.ef-fr.dev. hostmaster.ef-fr.dev. 0 10800 3600 1209600 3600",
    "ns1.ef-fr.dev. A": "3600 192.0.2.53",
}
"""What the smallest valid zone holds, in normal form."""


def connection(server: Server | None) -> dict[str, Any]:
    return {
        "apiUrl": server.api_url if server else "https://pdns.ef-fr.dev:8081",
        "apiKey": KEY,
        "caCertificate": "",
        "serverId": "localhost",
    }


def zone(server: Server | None, record_sets: Mapping[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """Inputs of a zone: the apex's record sets and those given."""
    return {
        **connection(server),
        "zone": ZONE,
        "kind": "Native",
        "masters": [],
        "account": "tests",
        "soaEditApi": "DEFAULT",
        "dnssec": False,
        "transferKeys": [],
        "metadata": {},
        "recordSets": {**APEX, **(record_sets or {})},
        "strict": False,
        "adopt": False,
        "allowBulkChange": False,
        **others,
    }


def checked(props: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs that are in normal form, as `check` hands them on."""
    return {**props, "recordSets": rrsets.dump(dict(sorted(props["recordSets"].items())))}


def declared(props: Mapping[str, Any] | None) -> dict[str, str]:
    """The record sets among inputs that `check` or `read` has handed on."""
    assert props is not None
    return rrsets.load(props["recordSets"])


def some(server: Server | None, owner: str, record_sets: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """Inputs of record sets in a zone of somebody else."""
    return {**connection(server), "zone": ZONE, "owner": owner, "recordSets": dict(record_sets), **others}
