"""Domain names in the one form that PowerDNS takes: lower case, ASCII, with the trailing dot."""

from __future__ import annotations

import re
from ipaddress import ip_address

import dns.exception
import dns.name

from components.powerdns.refusal import RefusedError

APEX = "@"
CODEC = dns.name.IDNA2008Codec(True, False, True, False)
"""With UTS 46. ASCII labels are no concern of it: `_dmarc` and `*` may stand beside others."""
_NORMAL = re.compile(r"(\*\.)?([a-z0-9_/-]{1,63}\.)+")
"""What the API lets through as the name of a record set, a star as the first label included."""
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+")
_LONGEST = 254
"""Characters of a name with its trailing dot (RFC 1035, 2.3.4)."""


def normalise(text: str) -> str:
    """A full name in normal form.

    Args:
        text: The name, in any case, with or without the trailing dot, internationalised (IDNA 2008) or not.

    Raises:
        RefusedError: it is no domain name, or holds characters that PowerDNS refuses.
    """
    # Most names are as they should be but for the dot, and to parse one takes some twenty-five times as long.
    full = text if text.endswith(".") else f"{text}."
    if _NORMAL.fullmatch(full) and len(full) <= _LONGEST:
        return full
    name = parse(text).to_text()
    if not _NORMAL.fullmatch(name):
        raise RefusedError("bad-name", f"{text!r} is no name that PowerDNS takes: labels of a-z, 0-9, -, _ and /")
    return name


def parse(text: str) -> dns.name.Name:
    """The name that `text` stands for, taken as a full one, in lower case.

    Raises:
        RefusedError: it is no domain name.
    """
    try:
        return dns.name.from_text(text, dns.name.root, CODEC).canonicalize()
    except dns.name.IDNAException as error:
        raise RefusedError("bad-idn", f"{text!r} is no valid internationalised name (IDNA 2008): {error}") from None
    except (dns.exception.DNSException, UnicodeError) as error:
        raise RefusedError("bad-name", f"{text!r} is no domain name: {error}") from None


def within(text: str, zone: str) -> str:
    """Name of a record set in `zone`, in normal form.

    Args:
        text: The full name, or `@` for the zone's own. A short name is refused: nobody could tell
            `www.example.com`, a mistake, from a host that is called so below the zone.
        zone: The zone's name in normal form.

    Raises:
        RefusedError: it is no domain name, or lies outside the zone.
    """
    name = zone if text == APEX else normalise(text)
    if not is_below(name, zone):
        short = name.removesuffix(".")
        raise RefusedError(
            "outside-zone",
            f"{text!r} lies outside the zone {zone}: write the full name, {short}.{zone}, or @ for {zone}",
        )
    return name


def is_below(name: str, ancestor: str) -> bool:
    """Whether a name is `ancestor` or lies below it. Both in normal form."""
    return name == ancestor or ancestor == "." or name.endswith(f".{ancestor}")


def is_address(name: str) -> bool:
    """Whether what should be a name is an IP address."""
    try:
        ip_address(name.removesuffix("."))
    except ValueError:
        return False
    return True


def is_host(name: str) -> bool:
    """Whether a name in normal form is a host name (RFC 1123, 2.1)."""
    return bool(_HOST.fullmatch(name))


def of_mailbox(address: str) -> str:
    """A mail address as a domain name: the SOA record's RNAME (RFC 1035, 3.3.13 and 8).

    Args:
        address: `dns.admin@ef-fr.dev`, which becomes `dns\\.admin.ef-fr.dev.`
    """
    local, _, domain = address.rpartition("@")
    escaped = local.replace(".", "\\.")
    return f"{escaped}.{domain.removesuffix('.')}."
