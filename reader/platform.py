"""`Platform`: what a site offers to the applications on it."""

from __future__ import annotations

from typing import TypeVar

import pulumi

from components.powerdns import Connection
from components.references import Reference, ReferenceProblem
from outputs import SCHEMA_VERSION, Authentik, Certificate, DnsApi, OidcClient, Server

T = TypeVar("T")
PROJECT = "oss-nextgen"


class Platform:
    """The outputs of one site.

    Args:
        site: Name of the site, which is its stack's.
        project: The platform's project.

    Raises:
        ReferenceProblem: there is no such stack; or, when a value is read, the stack is of an older contract, or has
            no such output, or one of another type.
    """

    def __init__(self, site: str, project: str = PROJECT) -> None:
        self._site = site
        self._outputs = Reference(site, SCHEMA_VERSION, project)

    def kubeconfig(self, team: str) -> pulumi.Output[str]:
        """The kubeconfig (YAML, secret) for the namespace of a team, which the site's `teams` name."""
        kubeconfigs = self._outputs.secret("kubeconfigs", dict[str, str])
        return kubeconfigs.apply(lambda found: self._of("kubeconfigs", found, team))

    def tls_secret(self, zone: str, namespace: str) -> pulumi.Output[str]:
        """Name of the Secret in a namespace that holds a zone's certificate, for its apex and the names below it."""
        wanted = f"{zone} in {namespace}"

        def name(found: dict[str, list[str]]) -> str:
            copies = dict(reference.split("/") for reference in found.get(zone, []))
            return self._of("tlsSecrets", {f"{zone} in {each}": secret for each, secret in copies.items()}, wanted)

        return self._outputs.plain("tlsSecrets", dict[str, list[str]]).apply(name)

    def oidc(self, service: str) -> pulumi.Output[OidcClient]:
        """The client of OpenID Connect that an external service is to Authentik; secret, as its secret is."""
        return self.authentik.apply(lambda found: self._of("authentik.oidc", found.get("oidc", {}), service))

    @property
    def dns(self) -> Connection:
        """The API of the site's name server."""
        api = self._outputs.secret("dns", DnsApi)
        return Connection(
            # Only the key is a secret.
            pulumi.Output.unsecret(api["apiUrl"]),
            api["apiKey"],
            pulumi.Output.unsecret(api["caCertificate"]),
        )

    @property
    def authentik(self) -> pulumi.Output[Authentik]:
        """Single sign-on, and the directory with the account that looks others up; secret, as its password is."""
        return self._outputs.secret("authentik", Authentik)

    @property
    def domains(self) -> pulumi.Output[list[str]]:
        """DNS zones of the site, the platform's own first."""
        return self._outputs.plain("domains", list[str])

    @property
    def dns_servers(self) -> pulumi.Output[list[Server]]:
        """Authoritative servers of the site's zones."""
        return self._outputs.plain("dnsServers", list[Server])

    @property
    def certificates(self) -> pulumi.Output[dict[str, Certificate]]:
        """Zone to its certificate."""
        return self._outputs.plain("certificates", dict[str, Certificate])

    @property
    def storage_class(self) -> pulumi.Output[str]:
        """Default class for persistent volume claims."""
        return self._outputs.plain("storageClass", str)

    @property
    def ingress_class(self) -> pulumi.Output[str]:
        """Class for Ingresses."""
        return self._outputs.plain("ingressClass", str)

    @property
    def ingress_address(self) -> pulumi.Output[str]:
        """IPv4 address that names of Ingresses lead to."""
        return self._outputs.plain("ingressAddress", str)

    def _of(self, key: str, found: dict[str, T], wanted: str) -> T:
        if wanted not in found:
            there = ", ".join(sorted(found)) or "none"
            text = f"The output {key} of {self._site} has nothing for {wanted}: ask the platform team for it ({there})."
            raise ReferenceProblem("nothing-for-this-team", text)
        return found[wanted]
