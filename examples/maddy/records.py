"""What a domain says of its mail. Pure functions: no resources."""

from __future__ import annotations

import base64
import ipaddress

import pulumi
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from components.powerdns import RecordSet

SELECTOR = "maddy"
"""Of the DKIM key: another key would have another one, beside it."""


def mail_host(domain: str) -> str:
    return f"mail.{domain}"


def site_records(domain: str, address: str, dkim: pulumi.Input[str]) -> list[RecordSet]:
    """The record sets of a domain that gets and sends mail here.

    Args:
        domain: The zone.
        address: IPv4 address of the server.
        dkim: Value of the key's record.
    """
    return [
        RecordSet(mail_host(domain), "A", [address]),
        RecordSet(domain, "MX", [f"10 {mail_host(domain)}."]),
        # RFC 7208: the hosts of the MX records send, and nobody else.
        RecordSet(domain, "TXT", ["v=spf1 mx -all"]),
        RecordSet(f"{SELECTOR}._domainkey.{domain}", "TXT", [dkim]),
        # RFC 7489: what fails both is refused, and reported.
        RecordSet(f"_dmarc.{domain}", "TXT", [f"v=DMARC1; p=reject; rua=mailto:postmaster@{domain}"]),
    ]


def dkim_record(public_key: str) -> str:
    """Value of the record of a DKIM key (RFC 6376, 3.6.1).

    Args:
        public_key: PEM of an RSA key.
    """
    der = load_pem_public_key(public_key.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def reverse_name(address: str) -> str:
    """`210.10.75.10.in-addr.arpa.` for 10.75.10.210."""
    return f"{ipaddress.ip_address(address).reverse_pointer}."
