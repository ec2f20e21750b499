"""The rules for what the cluster serves, each broken once, and what a person then reads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from settings import PROJECT, Settings
from tests.unit.settings.cases import EXTERNAL, SERVICES, VALID, Case, Raw, drop, problems_of, put
from tests.unit.verify.pki import Ca

CA = Ca("Storage")
SITE: Raw = {**VALID, "services": SERVICES, "externalServices": [EXTERNAL], "acme": {"email": "ops@ef-fr.dev"}}


def external(**changes: Any) -> Callable[[Raw], None]:
    return put("externalServices", [{**EXTERNAL, **changes}])


def at(address: str) -> Callable[[Raw], None]:
    return external(address=address)


def signed_by(certificate: str) -> Callable[[Raw], None]:
    return external(verify=True, caCertificate=certificate)


CASES = [
    # External services
    Case("external-unreachable", at("169.254.1.1"), ('address is "169.254.1.1"', "must be the address of a host")),
    Case("external-in-dhcp", at("10.75.10.100"), ('is "10.75.10.100"', "network.dhcp, 10.75.10.100-10.75.10.199")),
    Case("external-in-loadbalancers", at("10.75.10.201"), ('is "10.75.10.201"', "outside network.loadBalancers")),
    Case("external-is-api", at("10.75.10.10"), ('is "10.75.10.10"', "must not be kubernetes.apiServer")),
    Case("external-in-pods", at("10.233.64.9"), ('is "10.233.64.9"', "outside kubernetes.podCidr, 10.233.64.0/18")),
    Case("external-in-services", at("10.233.0.1"), ('is "10.233.0.1"', "kubernetes.serviceCidr, 10.233.0.0/18")),
    Case(
        "platform-host",
        external(host="auth.ef-fr.io"),
        ('externalServices[0].host is "auth.ef-fr.io"', "the platform's own names, auth, home, ldap, ns1"),
    ),
    Case("missing-ca", external(verify=True), ("externalServices[0] is a mapping", "must have a caCertificate")),
    Case(
        "idle-ca",
        external(caCertificate=CA.root),
        ("externalServices[0].caCertificate is", "or the certificate checked: verify is false"),
    ),
    Case(
        "bad-certificate",
        signed_by("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        ("externalServices[0].caCertificate is", "certificates in PEM"),
    ),
    Case(
        "expired-ca",
        signed_by(CA.issue(["nas.ef-fr.io"], days=-1).certificate),
        ("the certificate of CN=nas.ef-fr.io, which expired on", "get its successor"),
    ),
    Case(
        "ca-is-server",
        signed_by(CA.issue(["nas.ef-fr.io"]).certificate),
        ("the certificate of a server, CN=nas.ef-fr.io: give that of who signed it, CN=Storage Intermediate",),
    ),
    # Who may use them
    Case(
        "oidc-with-sso",
        external(sso=True, oidc={}),
        ("externalServices[0].oidc is a mapping", "must be absent where sso is true"),
    ),
    Case(
        "bad-redirect-path",
        external(oidc={"redirectPaths": ["/oauth2/callback", "/oauth2/callback?a=b"]}),
        ('externalServices[0].oidc.redirectPaths[1] is "/oauth2/callback?a=b"', "a path such as /oauth2/callback"),
    ),
    Case(
        "reserved-application",
        external(oidc={}, name="homepage"),
        ('externalServices[0].name is "homepage"', "must not be one of homepage, ldap"),
    ),
    # Where the cluster is reached
    Case("same-http-ports", put("services.httpPort", 443), ("services.httpsPort is 443", "services.httpPort")),
    Case("same-dns-ports", put("services.dnsApiPort", 53), ("services.dnsApiPort is 53", "services.dnsPort")),
    Case("controller-port", put("services.httpsPort", 8081), ("services.httpsPort is 8081", "80, 8080, 8081, 9113")),
    Case(
        "open-operators",
        put("services.operators", ["10.9.0.0/16", "0.0.0.0/0"]),
        ('services.operators[1] is "0.0.0.0/0"', "a network of operators or runners, /8 or smaller"),
    ),
    # What it asks others for
    Case("bad-email", put("acme.email", "platform"), ('acme.email is "platform"', "a mail address")),
    Case("bad-resolver", put("acme.resolvers", ["1.1.1.1"]), ('acme.resolvers[0] is "1.1.1.1"', "address:port")),
    Case(
        "own-resolver",
        put("acme.resolvers", ["9.9.9.9:53", "10.75.10.200:53"]),
        ('acme.resolvers[1] is "10.75.10.200:53"', "not services.dnsAddress"),
    ),
    Case(
        "bad-registry",
        put("kubernetes.registryMirror", "https://registry.ef-fr.dev/v2"),
        ('kubernetes.registryMirror is "https://registry.ef-fr.dev/v2"', "host:port, without https:// and path"),
    ),
]


def test_the_sites_own_server_is_no_resolver_by_its_public_address_either() -> None:
    raw = copy.deepcopy(SITE)
    put("services.dnsPublicAddress", "192.0.2.75")(raw)
    put("acme.resolvers", ["192.0.2.75:53"])(raw)

    (line,) = problems_of(raw)["own-resolver"]

    assert "not services.dnsPublicAddress" in line


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_says_what_is_wrong(case: Case) -> None:
    raw = copy.deepcopy(SITE)
    case.change(raw)

    problems = problems_of(raw)

    assert list(problems) == [case.rule]
    line = problems[case.rule][0]
    assert line.startswith(f"{PROJECT}:")
    assert all(part in line for part in case.says), line


def test_each_case_is_a_rule_of_its_own() -> None:
    assert len({case.rule for case in CASES}) == len(CASES) >= 20


@pytest.mark.parametrize(
    "change",
    [
        signed_by(CA.root),
        signed_by(CA.root + CA.intermediate),
        external(scheme="http", verify=True),
        external(oidc={}, groups=["oss"]),
        external(oidc={"redirectPaths": ["", "/", "/apps/user_oidc/code", "/a%2Fb/c:d"]}),
        put("services.operators", ["10.0.0.0/8"]),
        put("services", {**SERVICES, "httpsPort": 8443, "dnsApiPort": 8443}),
        put("acme.resolvers", ["9.9.9.9:53"]),
        put("kubernetes.registryMirror", "registry.example.org:5000"),
        put("kubernetes.kubespray.repository", "/srv/ef-fr.dev/kubespray"),
        drop("externalServices"),
    ],
)
def test_what_is_right_is_taken(change: Callable[[Raw], None]) -> None:
    raw = copy.deepcopy(SITE)
    change(raw)

    assert Settings.parse("Pulumi.paris.yaml", "paris", raw).site == "paris"
