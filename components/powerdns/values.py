"""The value of one record, checked and brought to one form per meaning.

dnspython knows the syntax of most types. The form is the one that PowerDNS takes and gives back,
so that what was written compares equal to what is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv6Address

import dns.exception
import dns.ipv4
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CERT
import dns.rdtypes.ANY.LOC
import dns.rdtypes.svcbbase

from components.powerdns import names
from components.powerdns.refusal import RefusedError

TARGETS = frozenset({"AFSDB", "ALIAS", "CNAME", "DNAME", "KX", "LP", "MB", "MG", "MR", "MX", "NS", "PTR", "SRV"})
"""Types whose last word is the name of something else."""
SINGLE = frozenset({"CNAME", "DNAME", "SOA"})
"""Types with one record per name (RFC 1034, 3.6.2; RFC 6672, 2.4; RFC 1035)."""
HOSTS = frozenset({"MX", "NS", "SRV"})
"""Types whose target must be a host name."""
GENERATED = frozenset({"NSEC", "NSEC3", "NSEC3PARAM", "RRSIG"})
"""Types that the server makes itself when it signs a zone."""

_TEXTS = frozenset({"SPF", "TXT"})
_LOWER = TARGETS | {"L64", "MINFO", "NID", "RP", "SOA"}
"""Types whose whole text may be read in lower case."""
_NOT_EMPTY = frozenset({"CAA", "URI"})
"""An empty CAA value ends a PowerDNS 4.7.3 server with LMDB; an empty URI it gives back unquoted."""
# fmt: off
_AS_IS = frozenset({
    "AFSDB", "APL", "CAA", "CDNSKEY", "CDS", "CNAME", "CSYNC", "DHCID", "DLV", "DNAME", "DNSKEY",
    "DS", "EUI48", "EUI64", "HINFO", "IPSECKEY", "KEY", "KX", "L32", "L64", "LP", "MX", "NAPTR", "NID", "NS",
    "OPENPGPKEY", "PTR", "RP", "SMIMEA", "SRV", "SSHFP", "TLSA", "URI", "ZONEMD",
})
# fmt: on
"""Types that dnspython writes as PowerDNS does."""
_GENERIC = re.compile(r"TYPE([1-9]\d{0,4})")
"""RFC 3597, 5: for types without a name."""
_PRIVATE = frozenset({65400, 65401, 65402})
"""Numbers of PowerDNS's own types: ADDR, ALIAS, LUA."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\s+|$)', re.DOTALL)
_ESCAPE = re.compile(rb"\\(\d{3}|[^\d])", re.DOTALL)
_LONGEST_STRING = 255
"""Bytes of one character-string (RFC 1035, 3.3)."""


def is_known(type_: str) -> bool:
    """Whether record sets of a type, in upper case, can be declared."""
    generic = _GENERIC.fullmatch(type_)
    if generic:
        number = int(generic[1])
        return (
            number < 65536
            and number not in _PRIVATE
            and dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number)) == type_
        )
    return type_ in _AS_IS or type_ in _SPECIAL or type_ in _TEXTS


def canonical(type_: str, text: str) -> str:
    """The value in its one form.

    Args:
        type_: Type of the record, in upper case.
        text: The value as zone files write it; the text itself, unquoted, for TXT. Names in it are
            full ones, with or without the trailing dot.

    Raises:
        RefusedError: it is no value of that type.
    """
    try:
        if type_ in _TEXTS:
            value = _text(text)
        elif type_ in _SPECIAL:
            value = _SPECIAL[type_](text)
        else:
            value = _rdata(type_, text).to_text(chunksize=0)
    except (dns.exception.DNSException, ValueError, OverflowError) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError("bad-value", f"{text!r} is no value of type {type_}: {error}") from None
    if type_ in _LOWER:
        value = value.lower()
    if type_ in _NOT_EMPTY and value.endswith(' ""'):
        raise RefusedError("empty-value", f'{text!r} ends in an empty text; a CAA that allows nobody says ";"')
    if type_ in TARGETS:
        _check_target(type_, text, target(value))
    return value


def read(type_: str, text: str) -> str:
    """A value that the server sent, in the same form; what has none is left as it is."""
    try:
        return canonical(type_, text)
    except RefusedError:
        return text


def target(value: str) -> str:
    """The name that a value of one of `TARGETS`, in its form, points at."""
    return value.rpartition(" ")[2]


def _rdata(type_: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(
        dns.rdataclass.IN,
        dns.rdatatype.from_text(type_),
        text,
        origin=dns.name.root,
        relativize=False,
        idna_codec=names.CODEC,
    )


def _check_target(type_: str, text: str, name: str) -> None:
    if names.is_address(name):
        raise RefusedError(
            "target-is-address",
            f"{text!r} points at an address: {type_} takes a name; declare an A or AAAA record for it and name that",
        )
    if type_ in HOSTS and name != "." and not names.is_host(name):
        raise RefusedError(
            "target-is-no-host", f"{text!r} points at {name}, which is no host name: labels of a-z, 0-9 and -"
        )
    if name.count(".") == 1 and name != "." and not text.rstrip().endswith("."):
        raise RefusedError(
            "short-target", f"{text!r} points at {name}, a top-level name: write the full name of what is meant"
        )


def _text(text: str) -> str:
    """TXT: quoted and escaped, in strings of at most 255 bytes. A text that starts with a quote is
    taken as already quoted."""
    strings = list(_unquoted(text)) if text.startswith('"') else [text.encode()]
    chunks = [
        string[start : start + _LONGEST_STRING]
        for string in strings
        for start in range(0, len(string) or 1, _LONGEST_STRING)
    ]
    return " ".join(f'"{"".join(map(_escaped, chunk))}"' for chunk in chunks)


def _unquoted(text: str) -> Iterator[bytes]:
    position = 0
    while position < len(text):
        match = _STRING.match(text, position)
        if match is None:
            raise RefusedError(
                "bad-quotes", f'{text!r} starts with a quote, but is no row of "quoted strings" separated by spaces'
            )
        yield _ESCAPE.sub(_unescaped, match[1].encode())
        position = match.end()


def _unescaped(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return bytes([int(escaped)]) if escaped.isdigit() else escaped


def _escaped(byte: int) -> str:
    if chr(byte) in '"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03}"


def _aaaa(text: str) -> str:
    """Without dotted parts, which PowerDNS gives back for some addresses, but does not take."""
    address = IPv6Address(_rdata("AAAA", text).to_text())
    if address.ipv4_mapped is None:
        return str(address)
    number = int(address.ipv4_mapped)
    return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"


def _soa(text: str) -> str:
    """Without its serial: that one is the server's."""
    words = _rdata("SOA", text).to_text().split(" ")
    return " ".join([*words[:2], "0", *words[3:]])


def _names(count: int, text: str) -> str:
    """Types that PowerDNS alone knows, or that dnspython takes for opaque ones."""
    words = text.split()
    if len(words) != count:
        raise RefusedError("bad-value", f"{text!r} must be {'one name' if count == 1 else f'{count} names'}")
    return " ".join(names.parse(word).to_text() for word in words)


def _cert(text: str) -> str:
    rdata = _rdata("CERT", text)
    assert isinstance(rdata, dns.rdtypes.ANY.CERT.CERT)
    encoded = rdata.to_text(chunksize=0).split(" ", 3)[3]
    return f"{int(rdata.certificate_type)} {rdata.key_tag} {int(rdata.algorithm)} {encoded}"


def _loc(text: str) -> str:
    """With the sizes that dnspython leaves out when they are the default ones (RFC 1876, 3)."""
    value = _rdata("LOC", text).to_text()
    return value if value.count("m") > 1 else f"{value} 1.00m 10000.00m 10.00m"


def _service_binding(type_: str, text: str) -> str:
    """PowerDNS quotes no parameter but the opaque ones."""
    value = _rdata(type_, text).to_text()
    return re.sub(r'(mandatory|alpn|port|ipv4hint|ipv6hint)="([^" ]*)"', r"\1=\2", value)


def _rkey(text: str) -> str:
    return _rdata("KEY", text).to_text(chunksize=0)


def _lua(text: str) -> str:
    type_, _, code = text.strip().partition(" ")
    if not is_known(type_.upper()) or not _STRING.match(code.strip()):
        raise RefusedError(
            "bad-value", f"{text!r} must be a type and quoted Lua code, such as A \"ifportup(443, {{'192.0.2.1'}})\""
        )
    return f"{type_.upper()} {code.strip()}"


_SPECIAL: dict[str, Callable[[str], str]] = {
    # Zones are mostly addresses, and a whole record takes twenty times as long to read.
    "A": dns.ipv4.canonicalize,
    "AAAA": _aaaa,
    "ALIAS": partial(_names, 1),
    "CERT": _cert,
    "HTTPS": partial(_service_binding, "HTTPS"),
    "LOC": _loc,
    "LUA": _lua,
    "MB": partial(_names, 1),
    "MG": partial(_names, 1),
    "MINFO": partial(_names, 2),
    "MR": partial(_names, 1),
    "RKEY": _rkey,
    "SOA": _soa,
    "SVCB": partial(_service_binding, "SVCB"),
}
