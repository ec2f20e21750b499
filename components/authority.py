"""The site's own certificate authority, for what no public one may certify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import pulumi
import pulumi_tls as tls

HOURS_A_YEAR = 365 * 24


class InternalAuthority(pulumi.ComponentResource):
    """A root for addresses and names inside the platform. Its key is nowhere but in the state, encrypted.

    Args:
        name: Name of the component.
        site: Whose authority it is.
    """

    certificate: pulumi.Output[str]
    """PEM, for whoever is to trust it."""
    private_key: pulumi.Output[str]
    """PEM, secret."""

    def __init__(self, name: str, site: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:authority:InternalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.private_key = _private_key(name, child)
        self.certificate = tls.SelfSignedCert(
            name,
            private_key_pem=self.private_key,
            subject=tls.SelfSignedCertSubjectArgs(common_name=f"OSS NextGen {site} internal CA"),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=20 * HOURS_A_YEAR,
            early_renewal_hours=5 * HOURS_A_YEAR,
            opts=child,
        ).cert_pem
        self.register_outputs({"certificate": self.certificate})


@dataclass(frozen=True)
class ServerCertificateArgs:
    """Inputs of a server's certificate."""

    authority: InternalAuthority
    dns_names: Sequence[str]
    """What the server is called; the first is the subject."""
    addresses: Sequence[IPv4Address]
    """Where it is reached."""


class ServerCertificate(pulumi.ComponentResource):
    """A key and the authority's certificate for it, renewed by the first `up` of its last year."""

    certificate: pulumi.Output[str]
    """PEM."""
    private_key: pulumi.Output[str]
    """PEM, secret."""

    def __init__(self, name: str, args: ServerCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:authority:ServerCertificate", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.private_key = _private_key(name, child)
        request = tls.CertRequest(
            name,
            private_key_pem=self.private_key,
            subject=tls.CertRequestSubjectArgs(common_name=args.dns_names[0]),
            dns_names=list(args.dns_names),
            ip_addresses=[str(address) for address in args.addresses],
            opts=child,
        )
        self.certificate = tls.LocallySignedCert(
            name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=args.authority.private_key,
            ca_cert_pem=args.authority.certificate,
            allowed_uses=["digital_signature", "server_auth"],
            validity_period_hours=3 * HOURS_A_YEAR,
            early_renewal_hours=HOURS_A_YEAR,
            opts=child,
        ).cert_pem
        self.register_outputs({"certificate": self.certificate})


def _private_key(name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    return tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=opts).private_key_pem
