"""Authentik under mocks: what is declared, what is mounted where, and what stays a secret."""

from __future__ import annotations

import os
import re
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.socle.authentik import Application, Authentik, AuthentikArgs
from components.socle.release import file_values
from components.socle.tls_secrets import TlsCertificate
from settings import Charts
from tests.component.test_socle import PEM, PUBLISHED, Mocks, declare, mocks, opened
from tests.component.test_zones import declared
from tests.lab.waiting import wait_for

__all__ = ["mocks"]  # a fixture

BASE = "dc=ef-fr,dc=dev"
CLIENT = Application("proxmox", "https://proxmox.ef-fr.dev", ["oss"], ["https://proxmox.ef-fr.dev"])
PASSWORDS = {
    "AUTHENTIK_SECRET_KEY": "key",
    "AUTHENTIK_BOOTSTRAP_PASSWORD": "admin",
}


def authentik(**changes: Any) -> Authentik:
    values: dict[str, Any] = {
        "chart": Charts().authentik,
        "namespace": "authentik",
        "domain": "ef-fr.dev",
        "published": PUBLISHED.model_copy(update={"ldap_address": IPv4Address("10.75.10.202")}),
        "email": "ops@ef-fr.dev",
        "groups": ["oss"],
        "applications": [Application("homepage", "https://home.ef-fr.dev"), CLIENT],
        "ingress_class": "nginx",
        "certificate": TlsCertificate(f"{PEM}chain", pulumi.Output.secret("private key")),
        "storage_class": "longhorn",
        "protection": True,
    }
    return Authentik("authentik", AuthentikArgs(**{**values, **changes}))


def everything(**changes: Any) -> pulumi.Output[Any]:
    """All that `Authentik` gives."""
    made = authentik(**changes)
    return pulumi.Output.all(url=made.url, policy=made.policy, oidc=made.oidc, **made.ldap)


def test_authentik_gets_its_passwords_from_a_secret_only(mocks: Mocks) -> None:
    assert declare(everything)["url"] == "https://auth.ef-fr.dev/"
    values = mocks.values()
    assert values["authentik"] == {"existingSecret": {"secretName": "authentik-environment"}}
    assert values["server"]["ingress"]["hosts"] == ["auth.ef-fr.dev"]
    environment = opened(mocks.of("Secret")["authentik-environment"])
    assert environment == {
        **{variable: f"password-of-authentik-{name}" for variable, name in PASSWORDS.items()},
        "AUTHENTIK_BOOTSTRAP_EMAIL": "ops@ef-fr.dev",
        "AUTHENTIK_POSTGRESQL__HOST": "authentik-postgresql",
        "AUTHENTIK_POSTGRESQL__NAME": "authentik",
        "AUTHENTIK_POSTGRESQL__USER": "authentik",
        "AUTHENTIK_POSTGRESQL__PASSWORD": "password-of-authentik-postgresql",
    }
    assert opened(mocks.of("Secret")["authentik-postgresql"])["password"] == "password-of-authentik-postgresql"


def test_the_first_password_is_where_the_document_says(mocks: Mocks) -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
    [found] = re.findall(r"kubectl get secret (\S+) -n (\S+) -o go-template='{{.data.(\w+)", document.read_text())
    name, namespace, key = found
    declare(everything)
    secret = mocks.of("Secret")[name]
    assert secret["metadata"]["namespace"] == namespace
    assert opened(secret)[key] == "password-of-authentik-admin"


def test_blueprints_are_mounted_from_a_secret_and_their_secrets_are_nowhere_else(mocks: Mocks) -> None:
    declare(everything)
    assert mocks.values()["blueprints"] == {"secrets": ["authentik-blueprints"]}
    files = opened(mocks.of("Secret")["authentik-blueprints"])
    assert files.keys() == {"applications.yaml", "ldap.yaml"}
    for value in ("password-of-authentik-ldap-bind", "password-of-authentik-ldap-token", f"{PEM}", "private key"):
        assert value.strip() in files["ldap.yaml"]
    assert "client_secret: password-of-authentik-oidc-proxmox\n" in files["applications.yaml"]
    elsewhere = [args for args in mocks.made if args.typ.rpartition(":")[2] not in ("Secret", "RandomPassword")]
    assert elsewhere
    assert not [args.name for args in elsewhere if "password-of-authentik" in repr(args.inputs)]


@pytest.mark.parametrize(
    ("port", "url", "listens"),
    [(443, "https://auth.ef-fr.dev/", None), (8443, "https://auth.ef-fr.dev:8443/", "8443,443")],
)
def test_its_tile_on_the_dashboard_leads_to_its_port(mocks: Mocks, port: int, url: str, listens: str | None) -> None:
    declare(lambda: everything(published=PUBLISHED.model_copy(update={"https_port": port})))
    annotations = mocks.values()["server"]["ingress"]["annotations"]
    assert annotations["gethomepage.dev/href"] == url
    assert annotations.get("nginx.org/listen-ports-ssl") == listens
    assert annotations["gethomepage.dev/enabled"] == "true"


@pytest.mark.parametrize(
    "changes", [{"groups": ["oss", "network-operations"]}, {"domain": "ef-fr.io"}, {"applications": [CLIENT]}]
)
def test_a_changed_blueprint_restarts_the_worker(changes: dict[str, Any]) -> None:
    def digest(**changed: Any) -> str:
        mocks = Mocks()
        pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
        declare(lambda: everything(**changed))
        found: str = mocks.values()["worker"]["podAnnotations"]["checksum/blueprints"]
        return found

    assert digest() == digest()
    assert digest() != digest(**changes)


def test_what_came_too_early_at_the_first_start_is_looked_at_again(tmp_path: Path) -> None:
    """Authentik looks at all blueprints that are not applied when there is a new file beside them."""
    worker = file_values("authentik")["worker"]
    (volume,), (mount,) = worker["volumes"], worker["volumeMounts"]
    assert volume == {"name": mount["name"], "emptyDir": {}}
    assert mount["mountPath"].startswith("/blueprints/")
    folder, sleep = tmp_path / "folder", tmp_path / "sleep"
    folder.mkdir()
    sleep.write_text('#!/bin/sh\necho "$1" >> "$SLEPT"\n')
    sleep.chmod(0o755)
    (*shell, script) = worker["lifecycle"]["postStart"]["exec"]["command"]
    subprocess.run(
        [*shell, script.replace(mount["mountPath"], str(folder))],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLEPT": str(tmp_path / "slept")},
        stdout=subprocess.PIPE,  # the hook has not ended before nobody can write to it any more
        check=True,
    )
    wait_for(lambda: len(list(folder.iterdir())) == 15)
    assert (tmp_path / "slept").read_text() == "60\n" * 15


def test_postgresql_reads_its_password_from_a_file_on_its_own_volume(mocks: Mocks) -> None:
    declare(everything)
    (server,) = mocks.of("StatefulSet").values()
    pod = server["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    folder, _, key = environment["POSTGRES_PASSWORD_FILE"].rpartition("/")
    assert volumes[mounts[folder]]["secret"] == {"secretName": "authentik-postgresql"}
    assert key in opened(mocks.of("Secret")["authentik-postgresql"])
    assert volumes[mounts["/var/lib/postgresql/data"]]["persistentVolumeClaim"] == {
        "claimName": "authentik-postgresql-data"
    }
    assert mocks.of("PersistentVolumeClaim")["authentik-postgresql-data"]["spec"]["storageClassName"] == "longhorn"


def test_the_database_is_dumped_every_night_to_another_volume(mocks: Mocks) -> None:
    declare(everything)
    job = mocks.of("CronJob")["authentik-postgresql-dump"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (server,) = mocks.of("StatefulSet").values()
    assert container["image"] == server["spec"]["template"]["spec"]["containers"][0]["image"]
    claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert claims == ["authentik-postgresql-dump-data"]
    environment = {each["name"]: each.get("value") or each["valueFrom"] for each in container["env"]}
    assert environment["PGHOST"] == "authentik-postgresql"
    assert environment["PGPASSWORD"] == {"secretKeyRef": {"name": "authentik-postgresql", "key": "password"}}


def test_a_dump_is_restored_every_week_for_trial_without_the_database(mocks: Mocks) -> None:
    declare(everything)
    job = mocks.of("CronJob")["authentik-postgresql-restore"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (server,) = mocks.of("StatefulSet").values()
    assert container["image"] == server["spec"]["template"]["spec"]["containers"][0]["image"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["dumps"]["persistentVolumeClaim"]["claimName"] == "authentik-postgresql-dump-data"
    (dumps,) = [each for each in container["volumeMounts"] if each["name"] == "dumps"]
    assert dumps["readOnly"] is True
    assert {"PGHOST", "PGPASSWORD"}.isdisjoint(each["name"] for each in container["env"])


def test_the_policy_asks_the_adapter_by_its_namespace(mocks: Mocks) -> None:
    assert declare(everything)["policy"] == "authentik/single-sign-on"
    (policy,) = mocks.of("Policy").values()
    (service,) = [each for name, each in mocks.of("Service").items() if name == "authentik-forward-auth"]
    assert policy["spec"]["ingressClassName"] == "nginx"
    asked = policy["spec"]["externalAuth"]
    assert asked["authServiceName"] == f"authentik/{service['metadata']['name']}"
    assert asked["authServicePorts"] == [service["spec"]["ports"][0]["port"]]
    assert asked["authSigninURI"].startswith(f"{asked['authSigninRedirectBasePath']}/")


@pytest.mark.parametrize(
    ("address", "kind", "annotations", "url"),
    [
        (
            IPv4Address("10.75.10.202"),
            "LoadBalancer",
            {"metallb.io/loadBalancerIPs": "10.75.10.202"},
            "ldaps://ldap.ef-fr.dev",
        ),
        (None, "ClusterIP", None, "ldaps://authentik-ldap.authentik.svc"),
    ],
)
def test_ldap_is_reached_at_its_address_if_it_has_one(
    mocks: Mocks, address: IPv4Address | None, kind: str, annotations: dict[str, str] | None, url: str
) -> None:
    given = declare(lambda: everything(published=PUBLISHED.model_copy(update={"ldap_address": address})))
    service = mocks.of("Service")["authentik-ldap"]
    assert (service["spec"]["type"], service["metadata"].get("annotations")) == (kind, annotations)
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(636, "ldaps")]
    expected = {"ldapUrl": url, "baseDn": BASE, "bindDn": f"cn=ldap-bind,ou=users,{BASE}"}
    assert given.items() >= expected.items()
    assert given["bindPassword"] == "password-of-authentik-ldap-bind"


def test_the_outpost_is_of_authentiks_release_and_has_the_blueprints_token(mocks: Mocks) -> None:
    declare(everything)
    pod = mocks.of("Deployment")["authentik-ldap"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"ghcr.io/goauthentik/ldap:{Charts().authentik.version}"
    (source,) = container["envFrom"]
    token = opened(mocks.of("Secret")[source["secretRef"]["name"]])["AUTHENTIK_TOKEN"]
    text = opened(mocks.of("Secret")["authentik-blueprints"])["ldap.yaml"]
    assert f"key: {token}\n" in text


def test_its_pods_follow_the_restricted_level(mocks: Mocks) -> None:
    declare(everything)
    workloads = {**mocks.of("StatefulSet"), **mocks.of("Deployment")}
    assert len(workloads) == 3
    pods = [each["spec"]["template"]["spec"] for each in workloads.values()]
    pods += [each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in mocks.of("CronJob").values()]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
    for pod in pods[:3]:
        assert all(container["readinessProbe"] for container in pod["containers"])


def test_services_sign_people_in_as_the_settings_ask_for(mocks: Mocks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paris: the console of Proxmox VE asks by itself, the file server does not, the dashboard has it done."""
    declared(mocks, monkeypatch, "paris", https_port=8443)
    text = opened(mocks.of("Secret")["authentik-blueprints"])["applications.yaml"]
    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line.startswith("external_host: ")] == [
        "external_host: https://home.ef-fr.dev:8443"
    ]
    assert [line for line in lines if line.startswith("url: ")] == ["url: https://proxmox.ef-fr.dev:8443"]
    assert {line for line in lines if line.startswith("slug: ")} == {"slug: homepage", "slug: proxmox"}
    annotations = mocks.of("Ingress")["proxmox"]["metadata"]["annotations"]
    assert "nginx.org/policies" not in annotations


def test_an_application_is_told_what_it_needs_to_ask_authentik(mocks: Mocks) -> None:
    assert declare(everything)["oidc"] == {
        "proxmox": {
            "issuerUrl": "https://auth.ef-fr.dev/application/o/proxmox/",
            "clientId": "proxmox",
            "clientSecret": "password-of-authentik-oidc-proxmox",
        }
    }


def test_the_blueprint_holds_what_the_settings_ask_for(mocks: Mocks) -> None:
    declare(everything)
    text = opened(mocks.of("Secret")["authentik-blueprints"])["applications.yaml"]
    for tag in ("Condition", "KeyOf", "Find"):
        text = text.replace(f"!{tag} ", "")
    models = [entry["model"] for entry in yaml.safe_load(text)["entries"]]
    assert models.count("authentik_core.group") == 1
    assert models.count("authentik_providers_proxy.proxyprovider") == 1
    assert models.count("authentik_providers_oauth2.oauth2provider") == 1
