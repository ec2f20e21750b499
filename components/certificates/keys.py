"""Private keys, certificate requests, and what stands in a certificate. No network, no Pulumi."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PUBLIC_EXPONENT = 65537
KINDS: Mapping[str, Callable[[], PrivateKey]] = {
    "EC256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA2048": lambda: rsa.generate_private_key(_PUBLIC_EXPONENT, 2048),
    "RSA3072": lambda: rsa.generate_private_key(_PUBLIC_EXPONENT, 3072),
    "RSA4096": lambda: rsa.generate_private_key(_PUBLIC_EXPONENT, 4096),
}
"""Kinds of keys that public CAs sign (CA/Browser Forum Baseline Requirements, 6.1.5)."""
ACCOUNT_KIND = "EC256"
"""Every ACME server takes it (RFC 8555, 6.2)."""


def generate(kind: str) -> str:
    """A new private key of one of `KINDS`, PEM (PKCS #8)."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return KINDS[kind]().private_bytes(encoding, form, serialization.NoEncryption()).decode()


def load(pem: str) -> PrivateKey:
    """A private key.

    Raises:
        ValueError: it is no RSA or elliptic-curve key in PEM form. The message never quotes it.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        raise ValueError("no private key in PEM form") from None
    if not isinstance(key, PrivateKey):
        raise ValueError("neither an RSA nor an elliptic-curve key")
    return key


def fingerprint(pem: str) -> str:
    """What tells a private key from another, without saying anything about it: 16 hexadecimal digits."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(load(pem).public_key().public_bytes(encoding, form)).hexdigest()[:16]


def request(pem: str, names: Sequence[str]) -> x509.CertificateSigningRequest:
    """A certificate request for DNS names, signed with a private key."""
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(alternative, critical=False).sign(load(pem), hashes.SHA256())


class Certificate:
    """What an ACME server gave: the certificate and the chain that it sent along.

    Args:
        chain: PEM, the certificate first.

    Raises:
        ValueError: that is no chain of certificates.
    """

    def __init__(self, chain: str) -> None:
        self._chain = x509.load_pem_x509_certificates(chain.encode())
        self.leaf = self._chain[0]

    @property
    def pem(self) -> str:
        return _pem(self.leaf)

    @property
    def chain_pem(self) -> str:
        """The intermediates, without the certificate itself."""
        return "".join(map(_pem, self._chain[1:]))

    @property
    def issuers(self) -> list[str]:
        """Common names of the issuers; the last is the root that the chain leads to."""
        return [
            str(attribute.value)
            for certificate in self._chain
            for attribute in certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        ]

    @property
    def serial(self) -> str:
        """Hexadecimal."""
        return f"{self.leaf.serial_number:x}"

    @property
    def not_before(self) -> datetime:
        return self.leaf.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    def is_of(self, private_key: str) -> bool:
        """Whether it certifies a private key, PEM."""
        return self.leaf.public_key() == load(private_key).public_key()

    @property
    def renewal_id(self) -> str:
        """What the CA calls it when asked for renewal information (RFC 9773, 4.1)."""
        authority = self.leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        number = self.leaf.serial_number
        # One bit more than it takes: a DER integer has a sign.
        serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
        return f"{_base64url(authority or b'')}.{_base64url(serial)}"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
