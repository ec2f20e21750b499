"""Key usages by the names that the official plugin gives them (RFC 5280, 4.2.1.3 and 4.2.1.12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from lab.plugins.base import ResourceError

KEY_USAGES: Final[Mapping[str, str]] = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
EXTENDED_KEY_USAGES: Final[Mapping[str, str]] = {
    "any_extended": "2.5.29.37.0",
    "server_auth": "1.3.6.1.5.5.7.3.1",
    "client_auth": "1.3.6.1.5.5.7.3.2",
    "code_signing": "1.3.6.1.5.5.7.3.3",
    "email_protection": "1.3.6.1.5.5.7.3.4",
    "ipsec_end_system": "1.3.6.1.5.5.7.3.5",
    "ipsec_tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec_user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp_signing": "1.3.6.1.5.5.7.3.9",
    "microsoft_server_gated_crypto": "1.3.6.1.4.1.311.10.3.3",
    "netscape_server_gated_crypto": "2.16.840.1.113730.4.1",
    "microsoft_commercial_code_signing": "1.3.6.1.4.1.311.2.1.22",
    "microsoft_kernel_code_signing": "1.3.6.1.4.1.311.61.1.1",
}
USAGES: Final = KEY_USAGES.keys() | EXTENDED_KEY_USAGES.keys()


def key_usage(uses: Sequence[str]) -> x509.KeyUsage | None:
    """The extension for those of `uses` that are key usages; None without any."""
    if not any(use in KEY_USAGES for use in uses):
        return None
    try:
        return x509.KeyUsage(**{flag: name in uses for name, flag in KEY_USAGES.items()})
    except ValueError as error:
        raise ResourceError(f"allowedUses: {error}") from None


def extended_key_usage(uses: Sequence[str]) -> x509.ExtendedKeyUsage | None:
    """The extension for those of `uses` that are extended key usages; None without any."""
    found = [ObjectIdentifier(EXTENDED_KEY_USAGES[use]) for use in uses if use in EXTENDED_KEY_USAGES]
    return x509.ExtendedKeyUsage(found) if found else None
