"""The inputs of accounts and certificates: brought to one form and checked before any call."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pulumi.output import contains_unknowns

from components.certificates import keys
from components.certificates.lookup import Server
from components.powerdns import names
from components.powerdns.inputs import check_at, connection_refusals
from components.powerdns.refusal import Refusal, RefusedError

MOST_NAMES = 100
"""Of Let's Encrypt; other public CAs take fewer or as many."""
LONGEST_RENEWAL = 365
"""Days. No public certificate lives that long any more (CA/Browser Forum ballot SC-081v3)."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"({_LABEL}\.)+{_LABEL}")
_EMAIL = re.compile(r"[^@\s,?:<>]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_PROFILE = re.compile(r"[A-Za-z0-9._-]*")


def account_refusals(props: Mapping[str, Any]) -> Iterator[Refusal]:
    """What is wrong with an account. Never quotes the HMAC key."""
    yield from check_at("directory", props["directory"], _check_directory)
    yield from check_at("email", props["email"], _check_email)
    key_id, hmac_key = props["eabKeyId"], props["eabHmacKey"]
    if contains_unknowns([key_id, hmac_key]):
        return
    if bool(key_id) != bool(hmac_key):
        yield Refusal("half-eab", "eabKeyId", "and eabHmacKey belong together: give both, as the CA gave them, or none")
    yield from check_at("eabHmacKey", hmac_key, _check_hmac_key)


def normalise_names(texts: Sequence[Any]) -> tuple[list[str], list[Refusal]]:
    """Names of a certificate in one form and order, and what is wrong with them.

    Lower case, ASCII, without the trailing dot; a wildcard comes after the name that it belongs to. What is
    refused stays as it was given.
    """
    found: list[str] = []
    refusals: list[Refusal] = []
    for text in texts:
        try:
            name = _name(text)
        except RefusedError as error:
            refusals.append(error.at("names"))
            continue
        if name in found:
            refusals.append(Refusal("same-name", "names", f"hold {name!r} twice: give it once"))
        found.append(name)
    refusals += _of_all(found, len(texts))
    ordered = sorted(found, key=lambda name: (name.removeprefix("*.").split(".")[::-1], name.startswith("*")))
    return (list(texts), refusals) if refusals else (ordered, [])


def certificate_refusals(props: Mapping[str, Any]) -> Iterator[Refusal]:
    """What is wrong with the inputs of a certificate other than its names. Never quotes a key."""
    yield from connection_refusals(props)
    yield from check_at("directory", props["directory"], _check_directory)
    yield from check_at("accountUrl", props["accountUrl"], _check_account)
    yield from check_at("accountKey", props["accountKey"], _check_account_key)
    yield from check_at("keyType", props["keyType"], _check_key_type)
    yield from check_at("profile", props["profile"], _check_profile)
    yield from check_at("renewDays", props["renewDays"], _check_days)
    for key in ("resolvers", "servers"):
        for value in [] if contains_unknowns(props[key]) else props[key]:
            yield from check_at(key, value, _check_server)


def _name(text: Any) -> str:
    if not isinstance(text, str) or names.is_address(text):
        raise RefusedError("address-name", f"hold {text!r}: a DNS name is expected, DNS-01 proves no address")
    star, plain = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in plain:
        raise RefusedError("bad-wildcard", f"hold {text!r}: a star stands for the whole first label, as in *.ef-fr.dev")
    name = names.normalise(plain).removesuffix(".")
    if "." not in name:
        raise RefusedError("bare-name", f"hold {text!r}: no CA certifies a name of one label; write it in full")
    if not _HOST.fullmatch(name):
        raise RefusedError("bad-host", f"hold {text!r}: host names have letters, digits and inner dashes only")
    return star + name


def _of_all(found: Sequence[str], count: int) -> Iterator[Refusal]:
    if not count:
        yield Refusal("no-names", "names", "are missing: a certificate has at least one, such as ef-fr.dev")
    if count > MOST_NAMES:
        yield Refusal("many-names", "names", f"are {count}: at most {MOST_NAMES} in one certificate; make several")
    for name in found:
        wildcard = f"*.{name.partition('.')[2]}"
        if not name.startswith("*") and wildcard in found:
            yield Refusal(
                "redundant-name", "names", f"hold {name!r}, which {wildcard} covers: CAs refuse both together"
            )


def _check_directory(value: str) -> None:
    try:
        url = urlsplit(value)
        host, plain = url.hostname, not (url.username or url.fragment)
    except ValueError:
        host, plain = None, False
    if not host or not plain or url.scheme not in ("http", "https"):
        raise RefusedError(
            "bad-directory",
            f"is {value!r}: the URL of an ACME directory, such as https://acme-v02.api.letsencrypt.org/directory",
        )
    if url.scheme == "http":
        raise RefusedError("directory-in-clear", f"is {value!r}: ACME takes https only (RFC 8555, 6.1)")


def _check_email(value: str) -> None:
    if value and not _EMAIL.fullmatch(value):
        raise RefusedError("bad-email", f"is {value!r}: one mail address, or empty for none")


def _check_hmac_key(value: str) -> None:
    if not value:
        return
    try:
        base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise RefusedError("bad-hmac-key", "(not shown) must be base64url, as the CA gives it") from None


def _check_account(value: str) -> None:
    if not value.startswith("https://"):
        raise RefusedError("bad-account", f"is {value!r}: the `url` of an AcmeAccount")


def _check_account_key(value: str) -> None:
    try:
        keys.load(value)
    except ValueError as error:
        raise RefusedError("bad-account-key", f"(not shown) is {error}: the `key` of an AcmeAccount") from None


def _check_key_type(value: str) -> None:
    if value not in keys.KINDS:
        raise RefusedError("bad-key-type", f"is {value!r}: one of {', '.join(keys.KINDS)}")


def _check_profile(value: str) -> None:
    if not _PROFILE.fullmatch(value):
        raise RefusedError("bad-profile", f"is {value!r}: a name that the CA's directory lists, such as shortlived")


def _check_days(value: float) -> None:
    # The engine hands all numbers over as floating-point ones.
    if value != int(value) or not 1 <= value <= LONGEST_RENEWAL:
        raise RefusedError("bad-days", f"is {value:g}: whole days, 1 to {LONGEST_RENEWAL}")


def _check_server(value: str) -> None:
    try:
        Server.parse(value)
    except (ValueError, AttributeError):
        raise RefusedError("bad-server-address", f"hold {value!r}: address:port, such as 192.0.2.53:53") from None
