"""The certificates that the stack had issued, and the Secrets that hold them on the cluster."""

from __future__ import annotations

import base64
import ssl
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pydantic import BaseModel

from verify.checks import Check, CheckFailed
from verify.cluster import Cluster
from verify.stack import Stack

DAYS_LEFT = 15
"""A renewal is due at 30 days: below this, several have failed."""
ADMINISTRATOR_DAYS_LEFT = 30
"""The administrator's is due at 60 days, and the next run renews it: below this, there was none for a month."""


class Issued(BaseModel):
    """What is read of each of the output `certificates`."""

    chain: str
    """PEM, the zone's own certificate first."""


class TrustError(Exception):
    """There is nothing to verify certificates against."""


class Trust:
    """The roots that this machine trusts (`SSL_CERT_FILE`, else the system's).

    Args:
        extra: PEM file of roots to trust as well.

    Raises:
        TrustError: the file cannot be used, or there is no root at all.
    """

    def __init__(self, extra: Path | None = None) -> None:
        self.tls = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if not self.tls.get_ca_certs() and paths.capath:
            # OpenSSL reads a folder of roots only when it meets a certificate.
            for file in Path(paths.capath).glob("*.0"):
                self.tls.load_verify_locations(file)
        try:
            if extra is not None:
                self.tls.load_verify_locations(extra)
        except OSError as error:  # which ssl.SSLError is
            raise TrustError(f"{extra}: not a PEM file of certificates ({error.strerror or error})") from None
        roots = list(_readable(self.tls.get_ca_certs(binary_form=True)))
        if not roots:
            raise TrustError("this machine trusts no root: set SSL_CERT_FILE, or install ca-certificates")
        self._store = Store(roots)

    def verify(self, name: str, leaf: x509.Certificate, intermediates: list[x509.Certificate]) -> None:
        """Verify a server's certificate (RFC 5280, and the rules of public CAs).

        Raises:
            VerificationError: it does not lead to a root, or is not for that name.
        """
        PolicyBuilder().store(self._store).build_server_verifier(x509.DNSName(name)).verify(leaf, intermediates)


def issued(stack: Stack, trust: Trust) -> list[Check]:
    """A check for the certificate of each zone."""

    def check(zone: str) -> str:
        certificates = stack.output("certificates", dict[str, Issued])
        if zone not in certificates:
            raise CheckFailed("the output certificates has none for this zone")
        return check_chain(certificates[zone].chain, zone, trust)

    return [Check("certificate", zone, partial(check, zone)) for zone in stack.domains()]


def secrets(stack: Stack, trust: Trust) -> list[Check]:
    """A check for each TLS Secret on the cluster.

    Raises:
        CheckFailed: the outputs do not say which there are.
    """

    def check(zone: str, path: str) -> str:
        namespace, _, name = path.partition("/")
        secret = Cluster.of(stack).get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        pem = base64.b64decode(secret.get("data", {}).get("tls.crt", ""))
        return check_chain(pem.decode("ascii", "replace"), zone, trust)

    places = stack.output("tlsSecrets", dict[str, list[str]])
    return [Check("tls secret", path, partial(check, zone, path)) for zone, paths in places.items() for path in paths]


def check_chain(pem: str, zone: str, trust: Trust) -> str:
    """A chain covers a zone's apex and wildcard, leads to a trusted root, and has days left.

    Args:
        pem: The zone's certificate, then intermediates.
        zone: Domain name.
        trust: The roots.

    Raises:
        CheckFailed: with all that is wrong.
    """
    try:
        leaf, *intermediates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise CheckFailed("it holds no certificates in PEM form") from None
    missing = [name for name in (zone, f"*.{zone}") if name not in _names(leaf)]
    problems = [f"does not cover {name}" for name in missing]
    if zone not in missing:  # a certificate for something else fails the verification for that reason alone
        try:
            trust.verify(zone, leaf, intermediates)
        except VerificationError as error:
            reason = str(error).removeprefix("validation failed: ")
            problems.append(f"issued by {_issuer(leaf)}, does not verify against the trust roots: {reason}")
    try:
        days = days_left(leaf.not_valid_after_utc)
    except CheckFailed as failure:
        problems.append(str(failure))
    if problems:
        raise CheckFailed("; ".join(problems))
    return f"apex and wildcard, {days} days left, from {_issuer(leaf)}"


def administrator(stack: Stack) -> str:
    """The certificate in the administrator's kubeconfig has days left.

    Raises:
        CheckFailed: fewer than `ADMINISTRATOR_DAYS_LEFT`, or it cannot be read.
    """
    try:
        leaf = x509.load_pem_x509_certificate(Cluster.of(stack).certificate.encode())
    except ValueError:
        raise CheckFailed("the output kubeconfig embeds no client certificate in PEM form") from None
    return f"{days_left(leaf.not_valid_after_utc, ADMINISTRATOR_DAYS_LEFT)} days left"


def days_left(end: datetime, least: int = DAYS_LEFT) -> int:
    """Whole days until a certificate ends.

    Raises:
        CheckFailed: fewer than `least`.
    """
    days = (end - datetime.now(UTC)).days
    if days < 0:
        raise CheckFailed(f"expired on {end:%Y-%m-%d}")
    if days < least:
        raise CheckFailed(f"only {days} days left, fewer than {least}: renew it with `pulumi up`")
    return days


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _issuer(certificate: x509.Certificate) -> str:
    names = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.issuer.rfc4514_string()


def _readable(roots: list[bytes]) -> Iterator[x509.Certificate]:
    """A few old roots break the rules of RFC 5280: they cannot be read, and verify nothing here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for der in roots:
            try:
                yield x509.load_der_x509_certificate(der)
            except ValueError:
                continue
