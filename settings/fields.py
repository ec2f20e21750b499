"""Types of single values in a stack file: what is allowed, in words that a person can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, LiteralString, NoReturn

from cryptography import x509
from pydantic import AfterValidator, Field, GetJsonSchemaHandler, PlainValidator
from pydantic_core import CoreSchema, PydanticCustomError

from settings import accounts


def refuse(rule: LiteralString, expected: str, **context: str) -> NoReturn:
    """Report a value that breaks `rule`; `expected` says what is allowed.

    Args:
        rule: Name of the rule.
        expected: Continues the sentence "<key> is <value>: ...".
        context: `key="last"` points at one key of a mapping instead of at the mapping.
    """
    raise PydanticCustomError(rule, "{expected}", {"expected": expected, **context})


@dataclass(frozen=True)
class Text(AfterValidator):
    """A check of text, whose pattern (as a whole) the JSON Schema of stack files knows as well."""

    pattern: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$"}


def text(rule: LiteralString, pattern: str, expected: str) -> Text:
    """A check of text against a pattern, as a whole.

    Args:
        rule: Name of the rule.
        pattern: Regular expression, which JavaScript reads in the same way.
        expected: Continues the sentence "<key> is <value>: must be ...".
    """

    def check(value: str) -> str:
        return value if re.fullmatch(pattern, value) else refuse(rule, f"must be {expected}")

    return Text(check, pattern)


def _address(value: object) -> IPv4Address:
    try:
        return IPv4Address(str(value))
    except ValueError:
        refuse("bad-address", "must be an IPv4 address, such as 10.0.0.1")


def _cidr(value: object) -> IPv4Network:
    text = str(value)
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        network = None
    if network is None or not re.fullmatch(r"[0-9.]+/[0-9]+", text):
        refuse("bad-cidr", "must be an IPv4 network in CIDR notation, such as 10.0.0.0/24")
    if text != str(network):
        refuse("host-bits", f"has host bits set; the network is {network}")
    return network


def _own_account(value: str) -> str:
    if value in accounts.TAKEN:
        refuse("reserved-user", "must be an account of the platform's own: Debian or Kubespray has one of that name")
    return value


def _ca_certificate(value: str) -> str:
    """Certificates that NGINX can trust: a self-signed one, of a server as well, or an authority's."""
    try:
        certificates = x509.load_pem_x509_certificates(value.encode())
    except ValueError:
        refuse("bad-certificate", "must be one or more certificates in PEM (-----BEGIN CERTIFICATE-----), whole")
    for certificate in certificates:
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        end = certificate.not_valid_after_utc
        if end < datetime.now(UTC):
            refuse(
                "expired-ca", f"holds the certificate of {subject}, which expired on {end:%Y-%m-%d}: get its successor"
            )
        if subject != issuer and not _is_authority(certificate):
            refuse(
                "ca-is-server", f"holds the certificate of a server, {subject}: give that of who signed it, {issuer}"
            )
    return value


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of one label of a DNS name."""

_LENGTH = "(?=.{1,253}$)"
"""Of a DNS name (RFC 1035), without the trailing dot."""
# Not \d, which is every script's in Python and ASCII's in the JSON Schema.
_NUMBER = "(0|[1-9][0-9]*)"
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"

Name = Annotated[
    str,
    # Site, pool and number make a machine's host name, which must stay below 64 characters.
    text("bad-name", "[a-z][a-z0-9-]{0,22}[a-z0-9]", "2 to 24 of a-z, 0-9 and -, starting with a letter"),
]
HostName = Annotated[
    str, text("bad-host-name", rf"{_LENGTH}{LABEL}(\.{LABEL})*", "a lower-case host name of at most 253 characters")
]
Domain = Annotated[
    str,
    # A certificate's challenge is answered below it.
    text(
        "bad-domain",
        rf"(?=.{{1,237}}$){LABEL}(\.{LABEL})+",
        "a lower-case DNS name of two labels or more, such as ef-fr.dev, that leaves room for _acme-challenge",
    ),
]
User = Annotated[
    str,
    # What Debian's installer takes: user-setup, user-setup-ask.
    text(
        "bad-user", "[a-z][a-z0-9_-]{0,31}", "a user name of a-z, 0-9, _ and -, starting with a letter, such as ossng"
    ),
    AfterValidator(_own_account),
]
Bridge = Annotated[str, text("bad-bridge", "[A-Za-z][A-Za-z0-9_.-]{0,14}", "a network interface, such as vmbr0")]
StorageId = Annotated[
    str, text("bad-storage", "[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]", "a Proxmox storage ID, such as local-lvm")
]
TokenId = Annotated[
    str,
    text(
        "bad-token-id", r"[^@!=\s]+@[^@!=\s]+![^@!=\s]+", "user@realm!token, without = and the secret: that is pbsToken"
    ),
]
VmName = Annotated[
    str,
    text("bad-vm-name", "[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", "the name of a VM: letters, digits, - and ."),
]
Tag = Annotated[
    str, text("bad-tag", "[a-z0-9_][a-z0-9_.+-]*", "a Proxmox tag: a-z, 0-9, _, -, + and ., starting with none of -+.")
]
Sha256 = Annotated[str, text("bad-sha256", "[0-9a-f]{64}", "a SHA-256: 64 lower-case hexadecimal digits")]
Commit = Annotated[str, text("bad-commit", "[0-9a-f]{40}", "a full Git commit: 40 lower-case hexadecimal digits")]
KubeconfigPath = Annotated[
    str,
    # What the program writes there, and removes again, overwrites no file of the project nor of the runner, and Git
    # ignores it. One way to write each path: two sites' are compared as text.
    text(
        "bad-kubeconfig-path",
        r"\.kube(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/[A-Za-z0-9_-][A-Za-z0-9._-]*\.yaml",
        "a path below .kube of a file that ends in .yaml, such as .kube/paris.yaml, without . and .. in it",
    ),
]
Folder = Annotated[str, text("bad-folder", r"(/[a-z0-9][a-z0-9._-]*)+", "an absolute path of a-z, 0-9, ., _ and -")]
Calendar = Annotated[
    # A part of Proxmox VE's calendar events: https://pve.proxmox.com/pve-docs/pve-admin-guide.html#chapter_calendar_events
    str,
    text(
        "bad-calendar",
        rf"({_DAY}((,|\.\.){_DAY})* )?([01][0-9]|2[0-3]):[0-5][0-9]",
        "a time, with days before it or not, such as 02:00 or sat,sun 03:30",
    ),
]
Release = Annotated[str, text("bad-version", rf"{_NUMBER}(\.{_NUMBER}){{2}}", "a full version, such as 1.35.4")]
RedirectPath = Annotated[
    str,
    # Segments of RFC 3986; Authentik compares redirect URIs letter by letter.
    text(
        "bad-redirect-path",
        r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*)*",
        'a path such as /oauth2/callback, without query, or "" for the host alone',
    ),
]
Email = Annotated[str, text("bad-email", rf"[^@\s]+@{LABEL}(\.{LABEL})+", "a mail address, such as platform@ef-fr.dev")]
CaCertificate = Annotated[str, AfterValidator(_ca_certificate)]
Port = Annotated[int, Field(ge=1, le=65535)]
_IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
Address = Annotated[
    IPv4Address, PlainValidator(_address, json_schema_input_type=Annotated[str, Field(pattern=f"^{_IPV4}$")])
]
Cidr = Annotated[
    IPv4Network, PlainValidator(_cidr, json_schema_input_type=Annotated[str, Field(pattern=f"^{_IPV4}/[0-9]{{1,2}}$")])
]
