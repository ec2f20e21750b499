"""The outputs contract: what is exported, what is published, and that the two agree."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest
from pydantic import TypeAdapter

import outputs
from settings import Pbs, Settings

REPOSITORY = Path(__file__).resolve().parents[2]

PBS = Pbs(server="pbs.ef-fr.dev", datastore="sites", username="sites@pbs!pulumi", fingerprint=":".join(["ab"] * 32))


class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program exported so far: key -> value."""
    pulumi.runtime.set_mocks(Mocks())
    values: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", values.__setitem__)
    return values


def export(site: str, *, with_cluster: bool, with_backup_server: bool = False) -> None:
    known = pulumi.Output.from_input
    machine = SimpleNamespace(name=f"{site}-vm-1", role="worker", vm_id=2101, node="pve1", address=known("10.0.0.1"))
    cluster = SimpleNamespace(
        api_server=known("https://10.0.0.2:6443"), kubeconfig=known("kind: Config"), kubeconfig_path=known(".kube/x")
    )
    outputs.export(
        Settings.read(REPOSITORY / f"Pulumi.{site}.yaml"),
        cast(Any, SimpleNamespace(name=known("image"), vm_id=known(2000))),
        [cast(Any, machine)],
        cast(Any, cluster) if with_cluster else None,
        cast(Any, socle()) if with_cluster else None,
        cast(Any, teams()) if with_cluster else None,
        cast(Any, backup_server()) if with_backup_server else None,
    )


def teams() -> SimpleNamespace:
    """What `outputs` reads of `Teams`."""
    known = pulumi.Output.from_input
    return SimpleNamespace(
        kubeconfigs={"mail": pulumi.Output.secret("kind: Config")},
        tls=[SimpleNamespace(references={"ef-fr.dev": known("mail/ef-fr-dev-tls")})],
    )


def backup_server() -> SimpleNamespace:
    """What `outputs` reads of a `BackupServer`."""
    paths = {purpose: f"/srv/backup/paris/{purpose}" for purpose in ("longhorn", "vzdump", "etcd")}
    return SimpleNamespace(
        address=pulumi.Output.from_input("10.75.20.101"),
        dns_port=53,
        directories={"paris": paths},
        pbs=PBS,
        pbs_token=pulumi.Output.secret("token"),
    )


def socle() -> SimpleNamespace:
    """What `outputs` reads of a `Socle`."""
    known = pulumi.Output.from_input
    certificate = SimpleNamespace(
        full_chain_pem=known("PEM"),
        private_key_pem=pulumi.Output.secret("key"),
        not_after=known("2027-02-21T12:00:00Z"),
    )
    return SimpleNamespace(
        storage_class=known("longhorn"),
        ingress_class=known("nginx"),
        dns=SimpleNamespace(
            address=known("10.0.0.200"),
            port=known(53),
            api_url=known("https://10.0.0.200:8443"),
            api_key=pulumi.Output.secret("api key"),
            ca_certificate=known("PEM"),
        ),
        zones={"ef-fr.dev": SimpleNamespace(zone=known("ef-fr.dev."))},
        certificates={"ef-fr.dev": certificate},
        tls=SimpleNamespace(references={"ef-fr.dev": known("nginx-ingress/ef-fr-dev-tls")}),
        authentik=SimpleNamespace(
            url=known("https://auth.ef-fr.dev/"),
            ldap={
                "ldapUrl": known("ldaps://ldap.ef-fr.dev"),
                "baseDn": "dc=ef-fr,dc=dev",
                "bindDn": "cn=ldap-bind,ou=users,dc=ef-fr,dc=dev",
                "bindPassword": pulumi.Output.secret("password"),
            },
            oidc={
                "proxmox": {
                    "issuerUrl": known("https://auth.ef-fr.dev/application/o/proxmox/"),
                    "clientId": "proxmox",
                    "clientSecret": pulumi.Output.secret("secret"),
                },
            },
        ),
        homepage=SimpleNamespace(url=known("https://home.ef-fr.dev/")),
    )


def holds_secret(schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """Whether a value of this schema is marked secret, or has a part that is: then Pulumi keeps all of it so."""
    if "$ref" in schema:
        return holds_secret(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    parts = [*schema.get("properties", {}).values()]
    parts += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    return schema.get("secret", False) or any(holds_secret(part, definitions) for part in parts)


@pulumi.runtime.test
def test_a_site_with_a_cluster_exports_the_whole_contract(exported: dict[str, Any]) -> pulumi.Output[None]:
    export("paris", with_cluster=True, with_backup_server=True)

    def check(values: dict[str, Any]) -> None:
        assert values.keys() == outputs.Outputs.__annotations__.keys()
        TypeAdapter(outputs.Outputs).validate_python(values, strict=True)
        assert values["zones"] == ["ef-fr.dev."]
        assert values["dnsServers"] == [{"address": "10.0.0.200", "port": 53}]
        assert values["authentik"]["oidc"]["proxmox"]["clientSecret"] == "secret"
        assert values["tlsSecrets"] == {"ef-fr.dev": ["nginx-ingress/ef-fr-dev-tls", "mail/ef-fr-dev-tls"]}
        assert values["nodes"] == [
            {"name": "paris-vm-1", "role": "worker", "address": "10.0.0.1", "vmId": 2101, "proxmoxNode": "pve1"}
        ]

    return pulumi.Output.all(**exported).apply(check)


@pulumi.runtime.test
def test_a_site_without_a_cluster_leaves_its_keys_out(exported: dict[str, Any]) -> pulumi.Output[None]:
    export("backup", with_cluster=False)

    def check(values: dict[str, Any]) -> None:
        assert values.keys() == set(outputs.schema()["required"])
        TypeAdapter(outputs.Outputs).validate_python(values, strict=True)

    return pulumi.Output.all(**exported).apply(check)


@pulumi.runtime.test
def test_exactly_the_secret_keys_are_secret(exported: dict[str, Any]) -> pulumi.Output[None]:
    export("paris", with_cluster=True)
    schema = outputs.schema()

    async def check() -> None:
        for key, value in exported.items():
            is_secret = await pulumi.Output.from_input(value).is_secret()
            assert is_secret == holds_secret(schema["properties"][key], schema["$defs"]), key

    return pulumi.Output.from_input(check())


def test_the_published_schema_is_current() -> None:
    published = json.loads((REPOSITORY / "docs" / "outputs.schema.json").read_text())
    assert published == outputs.schema(), "run: python -m outputs > docs/outputs.schema.json"


def test_every_key_has_a_type_a_description_and_an_example() -> None:
    schema = outputs.schema()
    for model in (schema, *schema["$defs"].values()):
        for key, value in model["properties"].items():
            assert value["description"], key
            elements = value.get("items") or value.get("additionalProperties") or {}
            assert "examples" in value or "$ref" in value or "$ref" in elements or value.get("secret"), key
