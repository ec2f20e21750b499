"""The resources that the dynamic providers of this room serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.certificates.account_provider import OUTPUTS as ACCOUNT_OUTPUTS
from components.certificates.account_provider import AcmeAccountProvider
from components.certificates.provider import OUTPUTS as CERTIFICATE_OUTPUTS
from components.certificates.provider import AcmeCertificateProvider
from components.powerdns import Connection


@dataclass(frozen=True)
class ExternalBinding:
    """Binds an account to one that the CA knows its customers by (RFC 8555, 7.3.4)."""

    key_id: pulumi.Input[str]
    hmac_key: pulumi.Input[str]
    """base64url, secret."""


@dataclass(frozen=True)
class AcmeAccountArgs:
    """Inputs of an account. Registering agrees to the CA's terms of service."""

    directory: pulumi.Input[str]
    """URL of the CA's ACME directory. Another one makes another account, and leaves the former usable."""
    email: pulumi.Input[str] = ""
    """Where the CA may write to; empty for none."""
    external_binding: ExternalBinding | None = None
    deactivate_on_destroy: bool = False
    """Deactivate the account for good, in every directory that it has been in."""


class AcmeAccount(Resource, module="certificates", name="AcmeAccount"):
    """An account at an ACME CA; its key is made once."""

    def __init__(self, name: str, args: AcmeAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        binding = args.external_binding or ExternalBinding("", "")
        props = {
            "directory": args.directory,
            "email": args.email,
            "eabKeyId": binding.key_id,
            "eabHmacKey": pulumi.Output.secret(binding.hmac_key),
            "deactivateOnDestroy": args.deactivate_on_destroy,
            # Only known once the account is there; an output has to be declared.
            **dict.fromkeys(ACCOUNT_OUTPUTS),
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        super().__init__(AcmeAccountProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
        self.directory: pulumi.Output[str] = pulumi.get(self, "directory")
        self.url: pulumi.Output[str] = pulumi.get(self, "url")
        self.key: pulumi.Output[str] = pulumi.get(self, "key")
        """The private key, PEM, secret."""


@dataclass(frozen=True)
class AcmeCertificateArgs:
    """Inputs of a certificate."""

    account: AcmeAccount
    names: Sequence[str]
    """DNS names and wildcards; the challenges of all of them go to `dns`."""
    dns: Connection
    """The PowerDNS that serves the zones. They must be there first: let the certificate depend on them."""
    resolvers: Sequence[str] = ()
    """`address:port` of the recursive resolvers that show whether the zones are delegated; empty for public ones."""
    servers: Sequence[pulumi.Input[str]] = ()
    """`address:port` of the zones' authoritative servers; empty for those of their NS records, on port 53."""
    key_type: str = "EC256"
    """EC256, EC384, RSA2048, RSA3072 or RSA4096."""
    reuse_key: bool = False
    """Keep the private key at a renewal."""
    preferred_chain: str = ""
    """Common name of the root that the chain should lead to, where the CA offers several."""
    profile: str = ""
    """One of those that the CA's directory lists, such as `shortlived`."""
    renew_days: int = 30
    """Renew when fewer days remain, at most half of the certificate's life, or when the CA asks to (RFC 9773)."""
    revoke_on_destroy: bool = False


class AcmeCertificate(Resource, module="certificates", name="AcmeCertificate"):
    """A certificate by DNS-01, renewed in place by the run that finds it due."""

    def __init__(self, name: str, args: AcmeCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            **args.dns.props(),
            "directory": args.account.directory,
            "accountUrl": args.account.url,
            "accountKey": args.account.key,
            "names": list(args.names),
            "keyType": args.key_type,
            "profile": args.profile,
            "preferredChain": args.preferred_chain,
            "reuseKey": args.reuse_key,
            "resolvers": list(args.resolvers),
            "servers": list(args.servers),
            "renewDays": args.renew_days,
            "revokeOnDestroy": args.revoke_on_destroy,
            "owner": f"{pulumi.get_project()}.{pulumi.get_stack()}.{name}",
            # Only known once it is issued; an output has to be declared.
            **dict.fromkeys(CERTIFICATE_OUTPUTS),
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["privateKeyPem"])
        super().__init__(AcmeCertificateProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
        self.certificate_pem: pulumi.Output[str] = pulumi.get(self, "certificatePem")
        self.chain_pem: pulumi.Output[str] = pulumi.get(self, "chainPem")
        """The intermediates."""
        self.private_key_pem: pulumi.Output[str] = pulumi.get(self, "privateKeyPem")
        """Secret."""
        self.not_after: pulumi.Output[str] = pulumi.get(self, "notAfter")
        """ISO 8601, UTC."""
        self.serial: pulumi.Output[str] = pulumi.get(self, "serial")
        """Hexadecimal."""
        self.renewal_window: pulumi.Output[tuple[str, str]] = pulumi.Output.all(
            pulumi.get(self, "renewalWindowStart"), pulumi.get(self, "renewalWindowEnd")
        ).apply(lambda times: (times[0], times[1]))
        """When the CA suggests to renew, ISO 8601, UTC; empty if it does not say."""

    @property
    def full_chain_pem(self) -> pulumi.Output[str]:
        """What a TLS server shows: the certificate, then the intermediates."""
        # In a run that goes on after a failure, a certificate that was not issued has none of its outputs.
        pems = pulumi.Output.all(self.certificate_pem, self.chain_pem)
        return pems.apply(lambda pems: "".join(pem or "" for pem in pems))
