"""The lab's certificate authority: one root per lab, and a server certificate per service.

Clients trust it through `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`: the product verifies TLS as ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.files import write_private

VALIDITY = timedelta(days=3650)


class Authority:
    """A root certificate below `home`, made at first use."""

    def __init__(self, home: Path) -> None:
        self._key = home / "ca.key"
        self._certificate = home / "ca.pem"
        self.bundle = home / "ca-bundle.pem"
        """The system's roots and this one."""
        if not self.bundle.exists():
            self._make()

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OSS NextGen lab")])
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key, _pem(key))
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        write_private(self._certificate, pem)
        write_private(self.bundle, _system_roots() + pem)

    @property
    def pem(self) -> str:
        """The root certificate."""
        return self._certificate.read_text()

    def issue(self, home: Path, address: IPv4Address, names: Sequence[str] = ()) -> tuple[Path, Path]:
        """A server certificate for an address and DNS names: paths of the chain and of the key, below `home`."""
        chain, key_path = home / "tls.pem", home / "tls.key"
        if key_path.exists() and _is_for(chain, address, names):
            return chain, key_path
        root = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        root_key = serialization.load_pem_private_key(self._key.read_bytes(), None)
        assert isinstance(root_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(address))])
        certificate = (
            _builder(subject, root.subject, key)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(address), *map(x509.DNSName, names)]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        write_private(key_path, _pem(key))
        write_private(chain, certificate.public_bytes(serialization.Encoding.PEM))
        return chain, key_path


def _is_for(chain: Path, address: IPv4Address, names: Sequence[str]) -> bool:
    """Whether a server certificate is there and for this address: a lab's block may have changed."""
    if not chain.exists():
        return False
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return address in known.get_values_for_type(x509.IPAddress) and set(names) <= set(
        known.get_values_for_type(x509.DNSName)
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _system_roots() -> bytes:
    """The roots this machine trusts: a bundle without them would cut the product off from the internet."""
    context = ssl.create_default_context()
    roots = context.get_ca_certs(binary_form=True)
    return b"".join(ssl.DER_cert_to_PEM_cert(root).encode() for root in roots)
