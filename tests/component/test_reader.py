"""What other teams' programs read of a site: secrets as secrets, and whom to ask for what is missing."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.references import ReferenceProblem
from reader import Platform

DNS = {"apiUrl": "https://10.75.10.200:8443", "apiKey": "s3cret", "caCertificate": "PEM"}
CLIENT = {
    "issuerUrl": "https://auth.ef-fr.dev/application/o/wiki/",
    "clientId": "wiki",
    "clientSecret": "s3cret",
}
AUTHENTIK = {
    "url": "https://auth.ef-fr.dev/",
    "ldapUrl": "ldaps://ldap.ef-fr.dev",
    "baseDn": "dc=ef-fr,dc=dev",
    "bindDn": "cn=ldap-bind,ou=users,dc=ef-fr,dc=dev",
    "bindPassword": "s3cret",
    "oidc": {"wiki": CLIENT},
}
SECRET = {"kubeconfigs": {"mail": "kind: Config"}, "dns": DNS, "authentik": AUTHENTIK}
PLAIN = {
    "domains": ["ef-fr.dev"],
    "dnsServers": [{"address": "10.75.10.200", "port": 53}],
    "certificates": {"ef-fr.dev": {"chain": "PEM", "notAfter": "2027-02-21T12:00:00+00:00"}},
    "storageClass": "longhorn",
    "ingressClass": "nginx",
    "ingressAddress": "10.75.10.201",
    "tlsSecrets": {"ef-fr.dev": ["nginx-ingress/ef-fr-dev-tls", "mail/ef-fr-dev-tls"]},
}
OUTPUTS: dict[str, Any] = {"schemaVersion": 1.0, **PLAIN, **SECRET}


class Paris(pulumi.runtime.Mocks):
    """An engine that knows the outputs of one site, all of its numbers floating."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, {**args.inputs, "outputs": OUTPUTS, "secretOutputNames": list(SECRET)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        assert args.args["name"].endswith("/oss-nextgen/paris")
        return {"name": args.args["name"], "outputs": OUTPUTS, "secretOutputNames": list(SECRET)}, []


@pytest.fixture
def paris() -> Platform:
    pulumi.runtime.set_mocks(Paris(), project="maddy", stack="paris")
    return Platform("paris")


def read(output: pulumi.Output[Any]) -> tuple[Any, bool]:
    """The value, and whether it is a secret."""
    found: list[tuple[Any, bool]] = []

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        async def look() -> None:
            found.append((await output.future(), await output.is_secret()))

        return pulumi.Output.from_input(look())

    program()
    return found[0]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("domains", "domains"),
        ("dns_servers", "dnsServers"),
        ("certificates", "certificates"),
        ("storage_class", "storageClass"),
        ("ingress_class", "ingressClass"),
        ("ingress_address", "ingressAddress"),
    ],
)
def test_what_anybody_may_know_is_no_secret(paris: Platform, name: str, key: str) -> None:
    assert read(getattr(paris, name)) == (PLAIN[key], False)


def test_a_team_gets_its_own_kubeconfig_and_its_copy_of_a_certificate(paris: Platform) -> None:
    assert read(paris.kubeconfig("mail")) == ("kind: Config", True)
    assert read(paris.tls_secret("ef-fr.dev", "mail")) == ("ef-fr-dev-tls", False)


def test_of_the_name_servers_api_the_key_alone_is_a_secret(paris: Platform) -> None:
    dns = paris.dns
    assert read(pulumi.Output.from_input(dns.api_url)) == (DNS["apiUrl"], False)
    assert read(pulumi.Output.from_input(dns.api_key)) == ("s3cret", True)
    assert read(pulumi.Output.from_input(dns.ca_certificate)) == ("PEM", False)


def test_the_directory_comes_with_the_password_of_its_account(paris: Platform) -> None:
    assert read(paris.authentik) == (AUTHENTIK, True)


def test_a_service_gets_its_client(paris: Platform) -> None:
    assert read(paris.oidc("wiki")) == (CLIENT, True)


def test_a_site_from_before_there_were_clients_is_read_as_well(
    paris: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {key: value for key, value in AUTHENTIK.items() if key != "oidc"}
    monkeypatch.setitem(OUTPUTS, "authentik", before)
    assert read(paris.authentik) == (before, True)
    with pytest.raises(ReferenceProblem, match=r"authentik.oidc of paris has nothing for wiki: .* \(none\)"):
        read(paris.oidc("wiki"))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda paris: paris.kubeconfig("web"), r"kubeconfigs of paris has nothing for web: .* \(mail\)"),
        (
            lambda paris: paris.tls_secret("ef-fr.dev", "web"),
            r"tlsSecrets of paris has nothing for ef-fr.dev in web: .*ef-fr.dev in mail",
        ),
        (lambda paris: paris.oidc("grafana"), r"authentik.oidc of paris has nothing for grafana: .* \(wiki\)"),
        (lambda paris: paris.tls_secret("ef-fr.io", "mail"), r"nothing for ef-fr.io in mail: .* \(none\)"),
    ],
)
def test_what_is_not_there_is_asked_for(paris: Platform, ask: Any, says: str) -> None:
    with pytest.raises(ReferenceProblem, match=says) as problem:
        read(ask(paris))
    assert problem.value.rule == "nothing-for-this-team"
