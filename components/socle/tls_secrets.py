"""`TlsSecrets`: the platform's certificates where Ingresses look for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core, meta


@dataclass(frozen=True)
class TlsCertificate:
    """A certificate as its issuer gave it."""

    chain: pulumi.Input[str]
    """PEM, the leaf first."""
    private_key: pulumi.Input[str]
    """PEM, secret."""


@dataclass(frozen=True)
class TlsSecretsArgs:
    """Which certificates go where."""

    certificates: Mapping[str, TlsCertificate]
    """By zone."""
    name: str
    """Of the namespace."""
    namespace: pulumi.Input[str]
    """The same, once it exists."""


class TlsSecrets(pulumi.ComponentResource):
    """A Secret of each certificate in a namespace: an Ingress can use none of another."""

    names: dict[str, pulumi.Output[str]]
    """Zone -> name of the Secret, once it exists."""
    references: dict[str, pulumi.Output[str]]
    """Zone -> `namespace/name` of the Secret."""

    def __init__(self, name: str, args: TlsSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:TlsSecrets", name, None, opts)
        self._args = args
        self.names = {zone: self._secret(zone, certificate) for zone, certificate in args.certificates.items()}
        self.references = {zone: pulumi.Output.concat(args.name, "/", secret) for zone, secret in self.names.items()}
        self.register_outputs({})

    def _secret(self, zone: str, certificate: TlsCertificate) -> pulumi.Output[str]:
        made = core.v1.Secret(
            # A dot, which no namespace has: `a` with `b.example` and `a-b` with `example` are two.
            f"{self._args.name}.{secret_name(zone)}",
            type="kubernetes.io/tls",
            metadata=meta.v1.ObjectMetaArgs(name=secret_name(zone), namespace=self._args.namespace),
            string_data={"tls.crt": certificate.chain, "tls.key": pulumi.Output.secret(certificate.private_key)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        name: pulumi.Output[str] = made.metadata.name
        return name


def secret_name(zone: str) -> str:
    """`ef-fr-dev-tls` for the zone `ef-fr.dev`. The settings refuse zones that would share one (`same-secret`)."""
    return f"{zone.replace('.', '-')}-tls"
