"""The sections of a stack file that describe what runs on the cluster."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from settings.fields import (
    Address,
    CaCertificate,
    Cidr,
    Email,
    HostName,
    Name,
    Port,
    RedirectPath,
    Release,
    refuse,
)
from settings.models import AddressRange, Model
from settings.urls import HttpsUrl, Resolver

RESERVED = 8
"""Addresses that are kept for the platform's own services, from the one that never changes on."""


class Chart(Model):
    """A Helm chart at a pinned version."""

    repository: HttpsUrl
    """URL of the chart repository."""
    version: Release


class Charts(Model):
    """The charts of the socle. Each release is named as its chart."""

    metallb: Chart = Chart(repository="https://metallb.github.io/metallb", version="0.16.1")
    longhorn: Chart = Chart(repository="https://charts.longhorn.io", version="1.12.1")
    nginx_ingress: Chart = Chart(repository="https://helm.nginx.com/stable", version="2.6.4")
    authentik: Chart = Chart(repository="https://charts.goauthentik.io", version="2026.8.0")
    homepage: Chart = Chart(repository="https://jameswynn.github.io/helm-charts", version="2.1.0")


class Services(Model):
    """Where the cluster's services are reached from outside."""

    ingress_address: Address
    """Of HTTP and HTTPS, one of the eight addresses from `dnsAddress` on."""
    dns_address: Address
    """Of DNS and its API, one of `network.loadBalancers`. Other sites delegate to it: it never changes. The eight
    addresses from it on are kept for the platform."""
    dns_public_address: Address | None = None
    """Where the internet reaches the same server: port 53 of it, UDP and TCP, is forwarded to `dnsAddress`. It is what
    the site's zones say of their name server; absent: `dnsAddress`."""
    ldap_address: Address | None = None
    """Of LDAP, one of the eight addresses from `dnsAddress` on; absent: only the cluster's own pods reach it."""
    http_port: Port = 80
    https_port: Port = 443
    dns_port: Port = 53
    dns_api_port: Port = 8443
    dns_parent: Address | None = None
    """DNS address of the site whose zones hold this one's. Of those zones the site's own server keeps copies."""
    dns_delegations: Annotated[dict[Name, Address], Field(default_factory=dict)]
    """Site -> its DNS address: each zone delegates `<site>.<zone>` to it, and is copied there."""
    dns_glue: Annotated[dict[Name, Address], Field(default_factory=dict)]
    """Site of `dnsDelegations` -> its `dnsPublicAddress`, which the delegation then leads to instead."""
    dns_secondaries: tuple[Address, ...] = ()
    """Other name servers that keep copies of the site's zones. All servers of the platform listen on `dnsPort`."""
    dns_bulk_change: bool = False
    """Let one update delete or change more than 30 % of a zone's record sets. For that update only."""
    operators: tuple[Cidr, ...] = ()
    """Networks that may use the DNS API, beside the site's own: operators' and runners'."""

    @property
    def reserved(self) -> AddressRange:
        """Those of `network.loadBalancers` that are kept for these services, whether one has them or not."""
        last = int(self.dns_address) + RESERVED - 1
        return AddressRange(first=self.dns_address, last=IPv4Address(min(last, 2**32 - 1)))


class Acme(Model):
    """The certificate authority."""

    directory: HttpsUrl = "https://acme-v02.api.letsencrypt.org/directory"
    email: Email = "platform@ef-fr.dev"
    """Contact of the account, for the authority. Let's Encrypt tells nobody that a certificate is about to expire."""
    resolvers: tuple[Resolver, ...] = ()
    """Recursive resolvers, `address:port`, that see what the authority sees, never the runner's own; none: public ones
    (1.1.1.1, 8.8.8.8, 9.9.9.9)."""


class Oidc(Model):
    """What a service that asks Authentik itself who somebody is has to be known by there."""

    redirect_paths: Annotated[tuple[RedirectPath, ...], Field(min_length=1)] = ("",)
    """Where it takes people back to after the sign-in, letter by letter, below its `host`, such as `/oauth2/callback`.
    Proxmox VE takes them to the host alone, without a slash."""


class ExternalService(Model):
    """A service outside the cluster that the ingress controller publishes."""

    name: Name
    host: HostName
    """Its public name, in one of the site's domains."""
    address: Address
    port: Port
    scheme: Literal["http", "https"] = "https"
    verify: bool = True
    """Whether its certificate is checked."""
    ca_certificate: CaCertificate | None = None
    """PEM of the authority that signed its certificate: the ingress controller trusts none by itself."""
    sso: bool = False
    """Whether people sign in with Authentik before they see it, and then as it asks them to."""
    oidc: Oidc | None = None
    """For one that speaks OpenID Connect, instead of `sso`: it has a client in Authentik, and sends people there to
    sign in by itself."""
    groups: tuple[Name, ...] = ()
    """Of `groups`, those whose members may use it; none: everybody who can sign in. Needs `sso` or `oidc`."""

    @model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if self.scheme == "https" and self.verify and self.ca_certificate is None:
            refuse("missing-ca", "must have a caCertificate, the PEM of who signed its certificate, or verify: false")
        return self

    @property
    def signs_in(self) -> bool:
        """Whether Authentik says who somebody is."""
        return self.sso or self.oidc is not None
