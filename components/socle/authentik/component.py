"""`Authentik`: the server, its database, and what it is told to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_kubernetes import core
from pulumi_kubernetes.helm.v3 import Release

from components import workload
from components.socle import hosts
from components.socle.authentik import blueprints
from components.socle.authentik.blueprints import Application, Directory
from components.socle.authentik.forward_auth import ForwardAuth, ForwardAuthArgs
from components.socle.authentik.ldap import Ldap, LdapArgs
from components.socle.postgresql import PostgreSql, PostgreSqlArgs
from components.socle.release import release
from components.socle.tls_secrets import TlsCertificate
from settings import Chart, Services

DATABASE = "authentik"
DATABASE_SIZE = "8Gi"


@dataclass(frozen=True)
class AuthentikArgs:
    """Inputs of Authentik."""

    chart: Chart
    namespace: pulumi.Input[str]
    domain: str
    """The site's first zone, which its names are in. Whose directory it is: `ef-fr.dev` has the base DN
    `dc=ef-fr,dc=dev`."""
    published: Services
    """Where people reach the ingress controller, and LDAP: without an address it is for the cluster's own pods."""
    email: str
    """Mail address of the first administrator, `akadmin`."""
    groups: Sequence[str]
    """Of people."""
    applications: Sequence[Application]
    """What people sign in to with it."""
    ingress_class: pulumi.Input[str]
    certificate: TlsCertificate
    """Of the zone."""
    storage_class: pulumi.Input[str]
    protection: bool
    """Pulumi's `protect`, on what cannot be made again: the database, its password and the secret key."""


class Authentik(pulumi.ComponentResource):
    """Authentik, its PostgreSQL, its Ingress, its blueprints and its outposts.

    The administrator's password is that of the first start: Authentik reads it then, and never again.
    """

    url: pulumi.Output[str]
    password: pulumi.Output[str]
    """Of `akadmin` at first start, secret."""
    policy: pulumi.Output[str]
    """`namespace/name` of the policy by which an Ingress is behind the sign-in."""
    ldap: Mapping[str, pulumi.Input[str]]
    """`ldapUrl`, `baseDn`, `bindDn` and `bindPassword`, a secret."""
    oidc: Mapping[str, Mapping[str, pulumi.Input[str]]]
    """Of each application that speaks OpenID Connect, by name: `issuerUrl`, `clientId` and `clientSecret`, a secret."""

    def __init__(self, name: str, args: AuthentikArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Authentik", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self._host, published = hosts.authentik(args.domain), args.published
        self._origin = hosts.origin(self._host, published)
        self.password = self._random("admin", 32)
        bind_password, outpost_token = self._random("ldap-bind", 48), self._random("ldap-token", 64)
        base_dn = ",".join(f"dc={label}" for label in args.domain.split("."))
        directory = pulumi.Output.all(
            base_dn=base_dn,
            bind_password=bind_password,
            token=outpost_token,
            chain=args.certificate.chain,
            private_key=args.certificate.private_key,
        ).apply(lambda known: blueprints.directory(self._origin, Directory(**known)))
        clients = {each.name: self._random(f"oidc-{each.name}", 64) for each in args.applications if each.redirect_uris}
        installed = self._server({"applications.yaml": self._applications(clients), "ldap.yaml": directory})
        # Both ask its Service. Not by an output: whatever changes of the release would seem to change them, too.
        after = pulumi.ResourceOptions(parent=self, depends_on=[installed])
        sign_in = ForwardAuth(
            f"{name}-forward-auth", ForwardAuthArgs(args.namespace, args.ingress_class, published.https_port), after
        )
        outpost = Ldap(
            f"{name}-ldap", LdapArgs(args.namespace, args.chart.version, published.ldap_address, outpost_token), after
        )
        self.url = installed.id.apply(lambda _: hosts.url(self._host, published))
        self.policy = sign_in.policy
        ldap_host = outpost.host.apply(lambda inside: hosts.ldap(args.domain) if published.ldap_address else inside)
        self.ldap = {
            "ldapUrl": pulumi.Output.concat("ldaps://", ldap_host),
            "baseDn": base_dn,
            "bindDn": f"cn={blueprints.BIND_USER},ou=users,{base_dn}",
            "bindPassword": bind_password,
        }
        self.oidc = {
            name: {
                "issuerUrl": pulumi.Output.concat(self.url, f"application/o/{name}/"),
                "clientId": name,
                "clientSecret": secret,
            }
            for name, secret in clients.items()
        }
        self.register_outputs({"url": self.url})

    def _random(self, what: str, length: int) -> pulumi.Output[str]:
        return random.RandomPassword(f"{self._name}-{what}", length=length, special=False, opts=self._child).result

    def _applications(self, clients: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[str]:
        """The blueprint of the applications, with the clients' secrets by name."""
        args = self._args

        def text(secrets: Sequence[str]) -> str:
            known = dict(zip(clients, secrets, strict=True))
            return blueprints.applications(self._origin, args.groups, args.applications, known)

        return pulumi.Output.all(*clients.values()).apply(text)

    def _server(self, files: Mapping[str, pulumi.Output[str]]) -> Release:
        """The chart's release, with blueprints by the names of their files. They hold secrets."""
        args, environment = self._args, self._environment()
        metadata = workload.metadata(f"{self._name}-blueprints", args.namespace, self._name)
        content: dict[str, pulumi.Input[str]] = {name: pulumi.Output.secret(text) for name, text in files.items()}
        held = core.v1.Secret(f"{self._name}-blueprints", metadata=metadata, string_data=content, opts=self._child)
        # They are applied when the worker starts, and within the hour when they change: a restart is sooner.
        digest = workload.digest(content)
        values = {
            "authentik": {"existingSecret": {"secretName": environment.metadata.name}},
            "server": {
                "ingress": {
                    # Where its tile on the dashboard leads: by itself that would leave the port out.
                    "annotations": {
                        **hosts.redirect(args.published),
                        "gethomepage.dev/href": hosts.url(self._host, args.published),
                    },
                    # Known once the controller is there, whose policies people sign in by.
                    "ingressClassName": args.ingress_class,
                    "hosts": [self._host],
                    "tls": [{"hosts": [self._host]}],
                }
            },
            "worker": {"podAnnotations": {"checksum/blueprints": digest}},
            "blueprints": {"secrets": [held.metadata.name]},
        }
        return release("authentik", args.chart, args.namespace, values, self._child)

    def _environment(self) -> core.v1.Secret:
        args, name = self._args, self._name
        # A new key would end every session and change every user's identifier.
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        key = random.RandomPassword(f"{name}-key", length=64, special=False, opts=kept)
        database = PostgreSql(
            f"{name}-postgresql",
            PostgreSqlArgs(args.namespace, args.storage_class, DATABASE_SIZE, DATABASE, args.protection),
            self._child,
        )
        # https://docs.goauthentik.io/install-config/configuration/ and .../install-config/automated-install/
        return core.v1.Secret(
            f"{name}-environment",
            metadata=workload.metadata(f"{name}-environment", args.namespace, name),
            string_data={
                "AUTHENTIK_SECRET_KEY": key.result,
                "AUTHENTIK_BOOTSTRAP_EMAIL": args.email,
                "AUTHENTIK_BOOTSTRAP_PASSWORD": self.password,
                "AUTHENTIK_POSTGRESQL__HOST": database.host,
                "AUTHENTIK_POSTGRESQL__NAME": DATABASE,
                "AUTHENTIK_POSTGRESQL__USER": DATABASE,
                "AUTHENTIK_POSTGRESQL__PASSWORD": database.password,
            },
            opts=self._child,
        )
