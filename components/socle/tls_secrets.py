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
    namespaces: Mapping[str, pulumi.Input[str]]
    """Name of a namespace -> the same, once it exists."""


class TlsSecrets(pulumi.ComponentResource):
    """A Secret of each certificate in each namespace: an Ingress can use none of another namespace."""

    names: dict[str, dict[str, pulumi.Output[str]]]
    """Namespace -> zone -> name of the Secret, once it exists."""

    def __init__(self, name: str, args: TlsSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:TlsSecrets", name, None, opts)
        self.names = {
            key: {zone: self._secret(key, namespace, zone, each) for zone, each in args.certificates.items()}
            for key, namespace in args.namespaces.items()
        }
        self.register_outputs({})

    def references(self) -> dict[str, list[pulumi.Output[str]]]:
        """Zone -> `namespace/name` of its Secrets."""
        zones = {zone for names in self.names.values() for zone in names}
        return {
            zone: [pulumi.Output.concat(namespace, "/", names[zone]) for namespace, names in self.names.items()]
            for zone in sorted(zones)
        }

    def _secret(
        self, key: str, namespace: pulumi.Input[str], zone: str, certificate: TlsCertificate
    ) -> pulumi.Output[str]:
        made = core.v1.Secret(
            # A dot, which no namespace has: `a` with `b.example` and `a-b` with `example` are two.
            f"{key}.{secret_name(zone)}",
            type="kubernetes.io/tls",
            metadata=meta.v1.ObjectMetaArgs(name=secret_name(zone), namespace=namespace),
            string_data={"tls.crt": certificate.chain, "tls.key": pulumi.Output.secret(certificate.private_key)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        name: pulumi.Output[str] = made.metadata.name
        return name


def secret_name(zone: str) -> str:
    """`ef-fr-dev-tls` for the zone `ef-fr.dev`. The settings refuse zones that would share one (`same-secret`)."""
    return f"{zone.replace('.', '-')}-tls"
