"""The inputs of the resources other than record sets: checked before any call."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pulumi.output import contains_unknowns

from components.loopback import is_loopback
from components.powerdns import names
from components.powerdns.refusal import Refusal, RefusedError

CONNECTION = ("apiUrl", "apiKey", "caCertificate", "serverId")
"""How the API is reached: a change of these is recorded and sends nothing."""
KINDS = ("Native", "Primary", "Secondary")
SERIAL_POLICIES = ("DEFAULT", "INCREASE", "EPOCH")
"""Of SOA-EDIT-API. Without one the serial would stand still, and no secondary would ever fetch a change."""
LONGEST_ACCOUNT = 40
"""Characters, in the server's database schemas."""
_DNS_PORT = 53
_MASTER = re.compile(r"(\[(?P<bracketed>[^]]+)\]|(?P<v4>[\d.]+))(:(?P<port>\d{1,5}))?|(?P<v6>[0-9A-Fa-f:.]+)")
OWN_METADATA = frozenset(
    {"SOA-EDIT-API", "NSEC3PARAM", "NSEC3NARROW", "API-RECTIFY", "TSIG-ALLOW-AXFR", "AXFR-MASTER-TSIG", "PRESIGNED"}
)
"""Kinds of metadata that the server keeps for other properties of a zone."""
OWNER_METADATA = "X-OWNER-"
"""Prefix of the kinds that record who owns which record sets."""


def connection_refusals(props: Mapping[str, Any]) -> Iterator[Refusal]:
    """What is wrong with how the API is reached. Never quotes the key."""
    yield from check_at("apiUrl", props["apiUrl"], _check_url)
    yield from check_at("apiKey", props["apiKey"], _check_key)
    yield from check_at("caCertificate", props["caCertificate"], _check_certificate)
    yield from check_at("serverId", props["serverId"], _check_server)


def zone_refusals(props: Mapping[str, Any]) -> Iterator[Refusal]:
    """What is wrong with a zone's own properties."""
    kind, masters = props["kind"], props["masters"]
    if kind not in KINDS:
        yield Refusal("bad-kind", "kind", f"is {kind!r}: one of {', '.join(KINDS)}")
    if props["soaEditApi"] not in SERIAL_POLICIES:
        yield Refusal(
            "bad-serial-policy", "soaEditApi", f"is {props['soaEditApi']!r}: one of {', '.join(SERIAL_POLICIES)}"
        )
    if len(props["account"]) > LONGEST_ACCOUNT:
        yield Refusal("long-account", "account", f"is {props['account']!r}: at most {LONGEST_ACCOUNT} characters")
    if kind == "Secondary":
        yield from _secondary_refusals(props)
    elif masters:
        yield Refusal(
            "masters-of-primary", "masters", f"are given for a {kind} zone: only a Secondary fetches its contents"
        )
    for master in masters:
        yield from check_at("masters", master, _check_master)
    for key in props["transferKeys"]:
        yield from check_at("transferKeys", key, _check_transfer_key)
    for kind_, values in props["metadata"].items():
        yield from check_at(f"metadata.{kind_}", values, partial(_check_metadata, kind_))


def normal_master(value: Any) -> Any:
    """A master as the server gives it back, without port 53; what is no master, or not known yet, stays as it is."""
    match = _MASTER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    try:
        address = ip_address(match["bracketed"] or match["v4"] or match["v6"])
    except ValueError:
        return value
    port = int(match["port"] or _DNS_PORT)
    if port == _DNS_PORT:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _secondary_refusals(props: Mapping[str, Any]) -> Iterator[Refusal]:
    if not props["masters"]:
        yield Refusal(
            "no-masters", "masters", "are missing: a Secondary zone is fetched from one, such as 192.0.2.1:53"
        )
    if props["recordSets"]:
        yield Refusal("secondary-contents", "recordSets", "are given for a Secondary zone: declare them on its primary")
    if props["dnssec"]:
        yield Refusal("secondary-dnssec", "dnssec", "is on for a Secondary zone: sign it on its primary")


def check_at(where: str, value: Any, check: Callable[[Any], None]) -> Iterator[Refusal]:
    """The refusal of an input by a check that raises, if it is known and refused."""
    if contains_unknowns(value):
        return
    try:
        check(value)
    except RefusedError as error:
        yield error.at(where)


def _check_url(value: str) -> None:
    try:
        url = urlsplit(value)
        host, plain = url.hostname or "", not (url.path.strip("/") or url.query or url.fragment or url.username)
    except ValueError:
        host, plain = "", False
    if not host or not plain or url.scheme not in ("http", "https"):
        raise RefusedError("bad-url", f"is {value!r}: https://host:port, without a path or user name")
    if url.scheme == "http" and not is_loopback(host):
        raise RefusedError("key-in-clear", f"is {value!r}: the key would cross the network in clear; use https")


def _check_key(value: str) -> None:
    if not re.fullmatch(r"[!-~]+", value):
        raise RefusedError("bad-key", "(not shown) must be one word of printable ASCII characters")


def _check_certificate(value: str) -> None:
    if not value:
        return
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError):
        raise RefusedError("bad-ca", "is no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None


def _check_server(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9.-]+", value):
        raise RefusedError("bad-server", f"is {value!r}: localhost, or what the API lists below /servers")


def _check_master(value: str) -> None:
    match = _MASTER.fullmatch(value)
    address = match and (match["bracketed"] or match["v4"] or match["v6"])
    if match is None or not address or not names.is_address(address) or not 0 < int(match["port"] or _DNS_PORT) < 65536:
        raise RefusedError(
            "bad-master", f"holds {value!r}: addresses such as 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53"
        )


def _check_transfer_key(value: str) -> None:
    if names.normalise(value) != value:
        raise RefusedError("bad-transfer-key", f"holds {value!r}: the name of a TsigKey, {names.normalise(value)}")


def _check_metadata(kind: str, values: Any) -> None:
    if kind in OWN_METADATA or kind.startswith(OWNER_METADATA):
        raise RefusedError("own-metadata", "is kept by the server for another property of the zone: set that one")
    if not re.fullmatch(r"[A-Z][A-Z0-9-]+", kind):
        raise RefusedError("bad-metadata", "is no kind of metadata, such as ALLOW-AXFR-FROM or X-MINE")
    if not values or not all(isinstance(value, str) and value for value in values):
        raise RefusedError(
            "empty-metadata", "must be a list of texts that are not empty; leave the kind out to have none"
        )
