"""Blueprints: what Authentik 2026.8 has to hold, as files that it reads. Pure functions: no Pulumi.

What is no longer said stays as it is: an application that leaves the settings is to be deleted by hand; only who may
use one is kept exact, group by group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.socle.authentik.blueprint_format import Entry, Tag, entry, first, formatted, key, key_of, text

EMBEDDED_OUTPOST = "goauthentik.io/outposts/embedded"
"""Mark of the outpost that Authentik's own server is."""
LDAP = "LDAP"
"""Name of the provider and of its outpost."""
BIND_USER = "ldap-bind"
AUTHENTICATION, CONSENT = "default-authentication-flow", "default-provider-authorization-implicit-consent"
INVALIDATION = "default-provider-invalidation-flow"
"""Slugs of flows that Authentik's own blueprints bring."""
SESSION = "hours=8"
"""How long forward authentication asks nobody again: a working day. Somebody who leaves a group may use the application
as long as that."""
SCOPES = ("openid", "email", "profile")
"""What an application learns of people by OpenID Connect: `profile` has their names and groups."""


@dataclass(frozen=True)
class Application:
    """What people reach by signing in."""

    name: str
    """Also what its identifiers begin with: 2 to 24 of a-z, 0-9 and -."""
    url: str
    """Its public URL, without a path."""
    groups: Sequence[str] = ()
    """Those whose members may use it; none: everybody who can sign in."""
    redirect_uris: Sequence[str] = ()
    """Where it takes people back to, if it sends them to sign in by itself (OpenID Connect). None: it is behind the
    sign-in, by forward authentication."""

    @property
    def title(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True)
class Directory:
    """The LDAP server."""

    base_dn: str
    bind_password: str
    """Of the account that looks others up."""
    token: str
    """With which the outpost reads its configuration."""
    chain: str
    """PEM of the certificate, the leaf first."""
    private_key: str
    """PEM."""


def applications(url: str, groups: Sequence[str], served: Sequence[Application], secrets: Mapping[str, str]) -> str:
    """Groups, and for each application a provider: a client of its own, or one of the embedded outpost. Holds secrets,
    as `directory` does. One file: Authentik applies files side by side, and two that make the same group collide.

    Args:
        url: Where people sign in, without a path.
        groups: All of the platform.
        served: What people sign in to.
        secrets: Of the clients, by the names of those that have redirect URIs.
    """
    forwarded = [each.name for each in served if not each.redirect_uris]
    entries = [
        first("Default - Provider authorization flow (implicit consent)", _flow(CONSENT)),
        first("Default - Provider invalidation flow", _flow(INVALIDATION)),
        first("System - Proxy Provider - Scopes", _scope("proxy/scope-proxy")),
        first("System - OAuth2 Provider - Scopes", _scope("oauth2/scope-openid")),
        *(entry("authentik_core.group", key("group", group), {"name": group}) for group in groups),
        *(part for each in served for part in _application(each, groups, secrets)),
        entry(
            "authentik_outposts.outpost",
            "outpost",
            {"managed": EMBEDDED_OUTPOST},
            providers=[key_of("provider", name) for name in forwarded],
            config={"authentik_host": url},
        ),
    ]
    return text("OSS NextGen - Applications", entries)


def directory(url: str, ldap: Directory) -> str:
    """The LDAP provider with its application, its outpost and who may search. Holds secrets: for a Secret, never for a
    ConfigMap. They stand in the file because Authentik applies one again when its text has changed, and only then.

    Args:
        url: Where people sign in, without a path.
        ldap: The directory.
    """
    entries = [
        first("Default - Authentication flow", _flow(AUTHENTICATION)),
        first("Default - Provider invalidation flow", _flow(INVALIDATION)),
        entry(
            "authentik_crypto.certificatekeypair",
            "certificate",
            {"name": LDAP},
            certificate_data=ldap.chain,
            key_data=ldap.private_key,
        ),
        *_ldap_account(ldap),
        entry(
            "authentik_providers_ldap.ldapprovider",
            "provider",
            {"name": LDAP},
            base_dn=ldap.base_dn,
            # What a bind goes through.
            authorization_flow=_flow(AUTHENTICATION),
            invalidation_flow=_flow(INVALIDATION),
            certificate=Tag("KeyOf", "certificate"),
        ),
        entry(
            "authentik_core.application",
            "application",
            {"slug": "ldap"},
            name=LDAP,
            provider=Tag("KeyOf", "provider"),
            # People have nothing to open there.
            meta_hide=True,
        ),
        *_ldap_outpost(url, ldap),
    ]
    return text("OSS NextGen - LDAP", entries)


def _ldap_account(ldap: Directory) -> list[Entry]:
    """The account that looks others up, and what allows it to."""
    return [
        entry(
            "authentik_rbac.role",
            "role",
            {"name": "LDAP search"},
            permissions=["authentik_providers_ldap.search_full_directory"],
        ),
        entry(
            "authentik_core.user",
            "bind",
            {"username": BIND_USER},
            name="LDAP bind",
            type="service_account",
            path="service-accounts",
            roles=[Tag("KeyOf", "role")],
            password=ldap.bind_password,
        ),
    ]


def _ldap_outpost(url: str, ldap: Directory) -> list[Entry]:
    """What our Deployment is to Authentik, and the token that it shows."""
    token = "ak-outpost-%s-api"
    return [
        entry(
            "authentik_outposts.outpost",
            "outpost",
            {"name": LDAP},
            type="ldap",
            providers=[Tag("KeyOf", "provider")],
            config={"authentik_host": url},
        ),
        # A new outpost has an account and a token at once, both named after it: ours becomes the token's key.
        entry(
            "authentik_core.token",
            "token",
            {"managed": formatted(f"goauthentik.io/outpost/{token}", Tag("KeyOf", "outpost"))},
            identifier=formatted(token, Tag("KeyOf", "outpost")),
            intent="api",
            expiring=False,
            user=Tag("Find", ["authentik_core.user", ["name", f"Outpost {LDAP} Service-Account"]]),
            key=ldap.token,
        ),
    ]


def _application(application: Application, groups: Sequence[str], secrets: Mapping[str, str]) -> list[Entry]:
    served = key("application", application.name)
    return [
        _client(application, secrets[application.name]) if application.redirect_uris else _forward(application),
        entry(
            "authentik_core.application",
            served,
            {"slug": application.name},
            name=application.title,
            provider=key_of("provider", application.name),
            meta_launch_url=application.url,
        ),
        *(
            entry(
                "authentik_policies.policybinding",
                f"{served}-{group}",
                {"target": Tag("KeyOf", served), "group": key_of("group", group)},
                "present" if group in application.groups else "absent",
                order=order,
            )
            for order, group in enumerate(groups)
        ),
    ]


def _forward(application: Application) -> Entry:
    """A provider of the embedded outpost."""
    return entry(
        "authentik_providers_proxy.proxyprovider",
        key("provider", application.name),
        {"name": application.title},
        mode="forward_single",
        external_host=application.url,
        access_token_validity=SESSION,
        **_FLOWS,
    )


def _client(application: Application, secret: str) -> Entry:
    """What an application that speaks OpenID Connect is to Authentik."""
    return entry(
        "authentik_providers_oauth2.oauth2provider",
        key("provider", application.name),
        # Not the title: to Authentik a proxy is such a provider, too, and one from before would be found by it.
        {"name": f"{application.title} - OpenID Connect"},
        client_type="confidential",
        client_id=application.name,
        client_secret=secret,
        # A new one is allowed none by itself.
        grant_types=["authorization_code"],
        redirect_uris=[
            {"matching_mode": "strict", "url": uri, "redirect_uri_type": "authorization"}
            for uri in application.redirect_uris
        ],
        property_mappings=[_scope(f"oauth2/scope-{name}") for name in SCOPES],
        # There before any blueprint. Without a key tokens would be signed with the secret, which few accept.
        signing_key=Tag("Find", ["authentik_crypto.certificatekeypair", ["name", "authentik Self-signed Certificate"]]),
        **_FLOWS,
    )


def _flow(slug: str) -> Tag:
    return Tag("Find", ["authentik_flows.flow", ["slug", slug]])


_FLOWS = {"authorization_flow": _flow(CONSENT), "invalidation_flow": _flow(INVALIDATION)}
"""Of whatever people sign in to."""


def _scope(managed: str) -> Tag:
    """What an application is told of people; Authentik's own blueprints bring it."""
    return Tag("Find", ["authentik_providers_oauth2.scopemapping", ["managed", f"goauthentik.io/providers/{managed}"]])
