"""`Socle`: what a site's cluster serves, from namespaces to HTTPS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.authority import InternalAuthority
from components.certificates import AcmeAccount, AcmeAccountArgs, AcmeCertificate, AcmeCertificateArgs
from components.powerdns import Connection, Zone
from components.powerdns.server import PowerDns, PowerDnsArgs
from components.socle import hosts, zones
from components.socle.authentik import Application, Authentik, AuthentikArgs
from components.socle.external_services import ExternalServices, ExternalServicesArgs
from components.socle.homepage import Homepage, HomepageArgs
from components.socle.longhorn import Longhorn, LonghornArgs
from components.socle.metallb import MetalLb, MetalLbArgs
from components.socle.namespaces import Namespaces
from components.socle.network_policies import NetworkPolicies, NetworkPoliciesArgs
from components.socle.nginx_ingress import NginxIngress, NginxIngressArgs
from components.socle.tls_secrets import TlsCertificate, TlsSecrets, TlsSecretsArgs
from settings import Pool, Services, Settings

CONTROLLER_NAMESPACE = "nginx-ingress"
ADDRESSED_NAMESPACES = (CONTROLLER_NAMESPACE, "powerdns", "authentik")
"""Whose services have the addresses that the settings name."""


@dataclass(frozen=True)
class SocleArgs:
    """What the socle is made from."""

    settings: Settings
    services: Services
    """`settings.services`, which a site with a socle has."""
    transfer_key: pulumi.Output[str] | None = None
    """Signs zone transfers, the same on every server of the platform; secret."""
    backup_target: pulumi.Input[str] | None = None
    """Where Longhorn backs its volumes up to."""


def volume_nodes(pools: Sequence[Pool]) -> int:
    """How many machines carry volumes: those that pods run on (components/kubernetes/inventory.py)."""
    others = sum(pool.count for pool in pools if pool.role != "control-plane")
    return others or sum(pool.count for pool in pools)


class Socle(pulumi.ComponentResource):
    """The services that everything else on the cluster needs, in the order that this package describes."""

    storage_class: pulumi.Output[str]
    ingress_class: pulumi.Output[str]
    certificates: dict[str, AcmeCertificate]
    """By zone: its apex and every name directly below it."""
    zones: dict[str, Zone]
    tls_certificates: dict[str, TlsCertificate]
    """By zone, for namespaces that get a copy."""

    def __init__(self, name: str, args: SocleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Socle", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        settings, services = args.settings, args.services
        charts, protection = settings.charts, settings.protection
        self.namespaces = Namespaces("namespaces", protection, self._child).names
        self.operators = [settings.network.cidr, *services.operators]
        NetworkPolicies("network-policies", NetworkPoliciesArgs(self.namespaces, self.operators), self._child)
        addresses = MetalLb(
            "metallb",
            MetalLbArgs(
                charts.metallb,
                self.namespaces["metallb-system"],
                settings.network.load_balancers,
                services.reserved,
                ADDRESSED_NAMESPACES,
            ),
            self._child,
        )
        longhorn = Longhorn(
            "longhorn",
            LonghornArgs(
                charts.longhorn,
                self.namespaces["longhorn-system"],
                volume_nodes(settings.pools),
                protection,
                settings.storage,
                args.backup_target,
            ),
            self._child,
        )
        self.storage_class = longhorn.storage_class
        self.dns = self._dns(addresses)
        self.connection = Connection(self.dns.api_url, self.dns.api_key, self.dns.ca_certificate)
        self.zones = zones.declare(settings, services, self.connection, args.transfer_key, self)
        self.certificates = self._certificates()
        self.tls = self._tls()
        ingress = NginxIngress(
            "nginx-ingress",
            NginxIngressArgs(
                charts.nginx_ingress,
                self.namespaces[CONTROLLER_NAMESPACE],
                services.ingress_address,
                services.http_port,
                services.https_port,
                self.tls.references[settings.domains[0]],
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[addresses]),
        )
        self.ingress_class = ingress.ingress_class
        # By the class their Ingresses wait for the controller, whose address comes with it.
        self.authentik = self._authentik(ingress)
        self.homepage = self._homepage(ingress)
        self._external(ingress)
        self.register_outputs({})

    def _dns(self, addresses: MetalLb) -> PowerDns:
        settings, services = self._args.settings, self._args.services
        authority = InternalAuthority("internal", settings.site, self._child)
        return PowerDns(
            "powerdns",
            PowerDnsArgs(
                namespace=self.namespaces["powerdns"],
                storage_class=self.storage_class,
                authority=authority,
                address=services.dns_address,
                port=services.dns_port,
                api_port=services.dns_api_port,
                operators=self.operators,
                protection=settings.protection,
            ),
            # Its address comes from pools that it could not name as an input.
            pulumi.ResourceOptions(parent=self, depends_on=[addresses]),
        )

    def _certificates(self) -> dict[str, AcmeCertificate]:
        settings = self._args.settings
        account = AcmeAccount(
            "acme",
            AcmeAccountArgs(settings.acme.directory, settings.acme.email),
            pulumi.ResourceOptions(parent=self, protect=settings.protection),
        )
        return {
            domain: AcmeCertificate(
                f"{domain}-certificate",
                AcmeCertificateArgs(
                    account=account,
                    names=[domain, f"*.{domain}"],
                    dns=self.connection,
                    resolvers=settings.acme.resolvers,
                    servers=[f"{self.dns.address}:{self.dns.port}"],
                ),
                # The challenges go into the zone, which is no input of the certificate.
                pulumi.ResourceOptions(parent=self, depends_on=[zone]),
            )
            for domain, zone in self.zones.items()
        }

    def _certificate(self, domain: str) -> TlsCertificate:
        certificate = self.certificates[domain]
        return TlsCertificate(certificate.full_chain_pem, certificate.private_key_pem)

    def _tls(self) -> TlsSecrets:
        self.tls_certificates = {domain: self._certificate(domain) for domain in self.certificates}
        place = self.namespaces[CONTROLLER_NAMESPACE]
        return TlsSecrets("tls", TlsSecretsArgs(self.tls_certificates, CONTROLLER_NAMESPACE, place), self._child)

    def _authentik(self, ingress: NginxIngress) -> Authentik:
        settings, services = self._args.settings, self._args.services
        domain = settings.domains[0]
        return Authentik(
            "authentik",
            AuthentikArgs(
                chart=settings.charts.authentik,
                namespace=self.namespaces["authentik"],
                domain=domain,
                published=services,
                email=settings.acme.email,
                groups=settings.groups,
                applications=self._applications(),
                ingress_class=ingress.ingress_class,
                certificate=self._certificate(domain),
                storage_class=self.storage_class,
                protection=settings.protection,
            ),
            self._child,
        )

    def _homepage(self, ingress: NginxIngress) -> Homepage:
        settings = self._args.settings
        return Homepage(
            "homepage",
            HomepageArgs(
                settings.charts.homepage,
                self.namespaces["homepage"],
                settings.site,
                settings.domains[0],
                self._args.services,
                self.authentik.policy,
                ingress.ingress_class,
            ),
            self._child,
        )

    def _external(self, ingress: NginxIngress) -> None:
        settings, services = self._args.settings, self._args.services
        ExternalServices(
            "external-services",
            ExternalServicesArgs(
                services=settings.external_services,
                published=services,
                namespace=self.namespaces[CONTROLLER_NAMESPACE],
                ingress_class=ingress.ingress_class,
                tls_secrets=self.tls.names,
                domain=settings.domains[0],
                sign_in=self.authentik.policy,
            ),
            self._child,
        )

    def _applications(self) -> list[Application]:
        """What people sign in to: the dashboard, for everybody, and the external services that ask for it."""
        settings, services = self._args.settings, self._args.services
        found = [Application("homepage", hosts.origin(hosts.homepage(settings.domains[0]), services))]
        for service in settings.external_services:
            if service.signs_in:
                origin = hosts.origin(service.host, services)
                paths = service.oidc.redirect_paths if service.oidc else ()
                found.append(Application(service.name, origin, service.groups, [f"{origin}{path}" for path in paths]))
        return found
