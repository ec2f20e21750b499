"""Authentik's blueprints: what Authentik 2026.8 would refuse of them, as far as that can be told without it.

`AUTHENTIK_BLUEPRINT_SCHEMA` names the `blueprints/schema.json` of a release, which is not part of this repository: then
they are validated against it, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.socle.authentik import blueprints
from components.socle.authentik.blueprint_format import Tag
from components.socle.authentik.blueprints import Application, Directory

URL = "https://auth.ef-fr.dev"
GROUPS = ("platform-admins", "oss")
APPLICATIONS = (
    Application("homepage", "https://home.ef-fr.dev"),
    Application("wiki", "https://wiki.ef-fr.dev", ("platform-admins",)),
)
REDIRECTS = ("https://proxmox.ef-fr.dev", "https://proxmox.ef-fr.dev/oauth2/callback")
CLIENT = Application("proxmox", "https://proxmox.ef-fr.dev", ("oss",), REDIRECTS)
SECRETS = {"proxmox": "client secret"}
PEM = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"
LDAP = Directory("dc=ef-fr,dc=dev", "bind password", "token", PEM.format("CERTIFICATE"), PEM.format("PRIVATE KEY"))

TEXTS = {
    "applications": blueprints.applications(URL, GROUPS, (*APPLICATIONS, CLIENT), SECRETS),
    "no applications": blueprints.applications(URL, (), (), {}),
    "directory": blueprints.directory(URL, LDAP),
}

# Models and attributes of Authentik 2026.8 that its API takes; a user's password and a token's key a blueprint only.
PROVIDER = {"authorization_flow", "invalidation_flow"}
KNOWN: dict[str, set[str]] = {
    "authentik_blueprints.metaapplyblueprint": {"identifiers", "required"},
    "authentik_core.group": {"name"},
    "authentik_core.user": {"username", "name", "type", "path", "roles", "password"},
    "authentik_core.application": {"name", "slug", "provider", "meta_launch_url", "meta_hide"},
    "authentik_core.token": {"managed", "identifier", "intent", "expiring", "user", "key"},
    "authentik_crypto.certificatekeypair": {"name", "certificate_data", "key_data"},
    "authentik_outposts.outpost": {"managed", "name", "type", "providers", "config"},
    "authentik_policies.policybinding": {"target", "group", "order"},
    "authentik_providers_ldap.ldapprovider": {"name", "base_dn", "certificate", *PROVIDER},
    "authentik_providers_oauth2.oauth2provider": {
        *("name", "client_type", "client_id", "client_secret", "grant_types", "redirect_uris"),
        *("property_mappings", "signing_key"),
        *PROVIDER,
    },
    "authentik_providers_proxy.proxyprovider": {
        *("name", "mode", "external_host", "access_token_validity"),
        *PROVIDER,
    },
    "authentik_rbac.role": {"name", "permissions"},
}
REQUIRED: dict[str, set[str]] = {
    "authentik_core.user": {"username", "name"},
    "authentik_core.application": {"name", "slug"},
    "authentik_core.token": {"identifier", "user", "intent"},
    "authentik_crypto.certificatekeypair": {"name", "certificate_data"},
    "authentik_policies.policybinding": {"target", "order"},
    "authentik_providers_ldap.ldapprovider": {"name", *PROVIDER},
    # Grants, for a new client has none, and a key, for tokens are signed with the secret otherwise.
    "authentik_providers_oauth2.oauth2provider": {"name", "redirect_uris", "grant_types", "signing_key", *PROVIDER},
    "authentik_providers_proxy.proxyprovider": {"name", "external_host", *PROVIDER},
}
"""Of a new object. The embedded outpost is there already."""
SCOPE = ("authentik_providers_oauth2.scopemapping", "managed")
OWN_OBJECTS = {
    ("authentik_flows.flow", "slug", "default-authentication-flow"): "Default - Authentication flow",
    ("authentik_flows.flow", "slug", "default-provider-authorization-implicit-consent"): (
        "Default - Provider authorization flow (implicit consent)"
    ),
    ("authentik_flows.flow", "slug", "default-provider-invalidation-flow"): "Default - Provider invalidation flow",
    (*SCOPE, "goauthentik.io/providers/proxy/scope-proxy"): "System - Proxy Provider - Scopes",
    **{
        (*SCOPE, f"goauthentik.io/providers/oauth2/scope-{name}"): "System - OAuth2 Provider - Scopes"
        for name in ("openid", "email", "profile", "offline_access")
    },
}
"""What Authentik's own blueprints bring -> the name of that blueprint."""
MADE_AT_START = {("authentik_crypto.certificatekeypair", "name", "authentik Self-signed Certificate")}
"""What Authentik has before it applies any."""


class Loader(yaml.SafeLoader):
    """Reads tags as they were written."""


def _tag(loader: Loader, suffix: str, node: yaml.Node) -> Tag:
    if isinstance(node, yaml.SequenceNode):
        return Tag(suffix, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.ScalarNode)
    return Tag(suffix, loader.construct_scalar(node))


Loader.add_multi_constructor("!", _tag)


def read(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader
    return document


def tags(value: Any) -> Iterator[Tag]:
    """All tags in a value, those inside others too."""
    if isinstance(value, Tag):
        yield value
        value = value.value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tags(part)


@pytest.fixture(params=TEXTS)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(TEXTS[request.param])


def test_every_entry_is_of_a_known_model_with_known_attributes(document: dict[str, Any]) -> None:
    assert document["version"] == 1
    assert document["metadata"]["name"].startswith("OSS NextGen - ")
    for entry in document["entries"]:
        given = {**entry.get("identifiers", {}), **entry["attrs"]}
        assert given.keys() <= KNOWN[entry["model"]], entry
        assert entry.get("state", "present") in ("present", "absent")
        if entry.get("state") != "absent":
            assert REQUIRED.get(entry["model"], set()) <= given.keys(), entry


def test_no_two_entries_are_one(document: dict[str, Any]) -> None:
    ids = [entry["id"] for entry in document["entries"] if "id" in entry]
    assert len(ids) == len(set(ids))
    objects = [(entry["model"], repr(entry["identifiers"])) for entry in document["entries"] if "id" in entry]
    assert len(objects) == len(set(objects))


def test_a_key_is_of_an_entry_before(document: dict[str, Any]) -> None:
    before: set[str] = set()
    for entry in document["entries"]:
        wanted = {tag.value for tag in tags(entry) if tag.name == "KeyOf"}
        assert wanted <= before, entry
        before.add(entry.get("id", ""))


def test_what_is_found_is_of_a_blueprint_that_is_applied_before(document: dict[str, Any]) -> None:
    applied: set[str] = set()
    outposts: set[str] = set()
    for entry in document["entries"]:
        for tag in (tag for tag in tags(entry["attrs"]) if tag.name == "Find"):
            model, (field, value) = tag.value
            if model == "authentik_core.user":
                assert (field, value) in {("name", f"Outpost {name} Service-Account") for name in outposts}
            elif (model, field, value) not in MADE_AT_START:
                assert OWN_OBJECTS[model, field, value] in applied
        if entry["model"] == "authentik_blueprints.metaapplyblueprint":
            applied.add(entry["attrs"]["identifiers"]["name"])
        if entry["model"] == "authentik_outposts.outpost":
            outposts.add(entry["identifiers"].get("name", ""))


def test_nothing_of_authentiks_own_is_applied_over_what_is_there(document: dict[str, Any]) -> None:
    """Each new certificate would undo what an administrator has changed of the sign-in."""
    own = [entry for entry in document["entries"] if entry["model"] == "authentik_blueprints.metaapplyblueprint"]
    assert own
    for entry in own:
        (condition,) = entry["conditions"]
        mode, found = condition.value
        model, (field, value) = found.value
        assert (condition.name, mode, found.name) == ("Condition", "NOR", "Find")
        assert OWN_OBJECTS[model, field, value] == entry["attrs"]["identifiers"]["name"]


def test_only_tags_that_the_format_has(document: dict[str, Any]) -> None:
    assert {tag.name for tag in tags(document)} <= {"KeyOf", "Find", "Format", "Condition"}


def entries(text: str, model: str) -> list[dict[str, Any]]:
    return [entry for entry in read(text)["entries"] if entry["model"] == model]


def test_only_the_groups_that_are_asked_for_may_use_an_application() -> None:
    bound = {
        entry["id"]: entry["state"] for entry in entries(TEXTS["applications"], "authentik_policies.policybinding")
    }
    assert bound == {
        "application-homepage-platform-admins": "absent",
        "application-homepage-oss": "absent",
        "application-wiki-platform-admins": "present",
        "application-wiki-oss": "absent",
        "application-proxmox-platform-admins": "absent",
        "application-proxmox-oss": "present",
    }


def test_an_application_that_speaks_openid_connect_has_a_client_of_its_own() -> None:
    text = TEXTS["applications"]
    (client,) = entries(text, "authentik_providers_oauth2.oauth2provider")
    given = client["attrs"]
    assert (given["client_type"], given["client_id"], given["client_secret"]) == (
        *("confidential", "proxmox"),
        "client secret",
    )
    assert given["grant_types"] == ["authorization_code"]
    shape = {"matching_mode": "strict", "redirect_uri_type": "authorization"}
    assert given["redirect_uris"] == [{**shape, "url": url} for url in REDIRECTS]
    scopes = [tag.value[1][1].rpartition("-")[2] for tag in given["property_mappings"]]
    assert scopes == ["openid", "email", "profile"]
    (application,) = [
        entry for entry in entries(text, "authentik_core.application") if entry["identifiers"] == {"slug": "proxmox"}
    ]
    assert application["attrs"]["provider"] == Tag("KeyOf", client["id"])


def test_a_client_is_never_taken_for_the_proxy_that_an_application_had_before() -> None:
    """To Authentik, a proxy is a client, too, and either is found by its name."""
    proxied = blueprints.applications(URL, GROUPS, [Application(CLIENT.name, CLIENT.url)], {})
    (proxy,) = entries(proxied, "authentik_providers_proxy.proxyprovider")
    (client,) = entries(TEXTS["applications"], "authentik_providers_oauth2.oauth2provider")
    assert proxy["identifiers"] != client["identifiers"]


def test_every_other_application_is_served_by_the_embedded_outpost() -> None:
    providers = entries(TEXTS["applications"], "authentik_providers_proxy.proxyprovider")
    assert {entry["attrs"]["external_host"] for entry in providers} == {each.url for each in APPLICATIONS}
    assert {entry["attrs"]["mode"] for entry in providers} == {"forward_single"}
    (outpost,) = entries(TEXTS["applications"], "authentik_outposts.outpost")
    assert outpost["identifiers"] == {"managed": "goauthentik.io/outposts/embedded"}
    assert outpost["attrs"]["providers"] == [Tag("KeyOf", entry["id"]) for entry in providers]
    assert outpost["attrs"]["config"] == {"authentik_host": URL}


def test_the_directory_has_the_certificate_the_bind_account_and_the_token() -> None:
    text = TEXTS["directory"]
    (pair,) = entries(text, "authentik_crypto.certificatekeypair")
    assert (pair["attrs"]["certificate_data"], pair["attrs"]["key_data"]) == (LDAP.chain, LDAP.private_key)
    (user,) = entries(text, "authentik_core.user")
    assert (user["identifiers"]["username"], user["attrs"]["password"]) == ("ldap-bind", LDAP.bind_password)
    (role,) = entries(text, "authentik_rbac.role")
    assert user["attrs"]["roles"] == [Tag("KeyOf", role["id"])]
    (token,) = entries(text, "authentik_core.token")
    assert token["attrs"]["key"] == LDAP.token
    assert token["identifiers"]["managed"].value[0] == "goauthentik.io/outpost/ak-outpost-%s-api"


@pytest.mark.parametrize("text", ["a: b # c", "!Env HOME", "'", "yes", "0123", "*x", "{}"])
def test_a_secret_is_read_as_it_was_written(text: str) -> None:
    written = blueprints.directory(URL, Directory("dc=x", text, text, text, text))
    assert [entry["attrs"]["key"] for entry in entries(written, "authentik_core.token")] == [text]
    written = blueprints.applications(URL, (), [CLIENT], {CLIENT.name: text})
    (client,) = entries(written, "authentik_providers_oauth2.oauth2provider")
    assert client["attrs"]["client_secret"] == text


def test_they_are_valid_by_the_schema_of_the_release(document: dict[str, Any]) -> None:
    """Values that a tag brings are left out: what they become is only known to Authentik."""
    path = os.environ.get("AUTHENTIK_BLUEPRINT_SCHEMA")
    if path is None:
        pytest.skip("AUTHENTIK_BLUEPRINT_SCHEMA names no schema.json: the blueprints are not validated against one")
    schema = json.loads(Path(path).read_text())
    assert re.match(r"authentik 2026\.8", schema["title"])
    jsonschema.validate(_plain(document), schema)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items() if not isinstance(part, Tag)}
    if isinstance(value, list):
        return [_plain(part) for part in value if not isinstance(part, Tag)]
    return value
