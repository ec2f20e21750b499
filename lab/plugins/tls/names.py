"""Subjects and subject alternative names of requests and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID, ObjectIdentifier

from lab.plugins.base import UNKNOWN, Failure, Props, ResourceError
from lab.plugins.tls.keys import Key

INPUTS: Final = {"dnsNames": "array", "ipAddresses": "array", "subject": "object", "uris": "array"}

# In the order in which the official plugin encodes them (Go's pkix.Name).
SUBJECT: Final[Mapping[str, ObjectIdentifier]] = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


def check(inputs: Props) -> list[Failure]:
    """Refuse parts of a subject that are unknown, and addresses that are none."""
    subject = inputs.get("subject") or {}
    unknown = [] if subject is UNKNOWN else sorted(subject.keys() - SUBJECT.keys())
    failures = [Failure(f"subject.{name}", f"not part of a subject: {', '.join(SUBJECT)}") for name in unknown]
    addresses = inputs.get("ipAddresses") or []
    for index, address in enumerate([] if addresses is UNKNOWN else addresses):
        try:
            _ = address is UNKNOWN or ip_address(address)
        except ValueError:
            failures.append(Failure(f"ipAddresses[{index}]", f"{address!r} is no IP address"))
    return failures


def subject(inputs: Props) -> x509.Name:
    """The distinguished name of the input `subject`; empty without one."""
    parts = inputs.get("subject") or {}
    attributes = []
    for name, oid in SUBJECT.items():
        values = parts.get(name) or []
        for value in values if isinstance(values, list) else [values]:
            try:
                attributes.append(x509.NameAttribute(oid, value))
            except ValueError as error:
                raise ResourceError(f"subject.{name} is {value!r}: {error}") from None
    return x509.Name(attributes)


def alternative_names(inputs: Props) -> x509.SubjectAlternativeName | None:
    """The extension for `dnsNames`, `ipAddresses` and `uris`; None without any."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or []]
    names += [x509.IPAddress(ip_address(address)) for address in inputs.get("ipAddresses") or []]
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
    return x509.SubjectAlternativeName(names) if names else None


def digest(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash to sign with: that of the curve's strength, none for Ed25519, else SHA-256."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return hashes.SHA384()
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP521R1):
        return hashes.SHA512()
    return hashes.SHA256()
