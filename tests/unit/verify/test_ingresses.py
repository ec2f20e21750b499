"""HTTPS through an ingress controller: a real server that tells hosts apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from settings import Services
from tests.unit.verify.conftest import MakeStack
from tests.unit.verify.pki import Ca
from tests.unit.verify.servers import address, https
from verify import ingresses
from verify.certificates import Trust
from verify.checks import CheckFailed, run_all
from verify.cluster import Cluster

PAGES = {
    "home.ef-fr.dev": (200, "Homepage"),
    "auth.ef-fr.dev": (302, ""),
    "closed.ef-fr.dev": (403, "log in first"),
    "private.ef-fr.dev": (401, "sign in"),
    "down.ef-fr.dev": (502, "bad gateway"),
    "broken.ef-fr.dev": (500, "traceback"),
    "missing.ef-fr.dev": (404, "the application has no such page"),
}
DEFAULT = (404, "<h1>404 Not Found</h1><hr>nginx")


def respond(host: str, path: str) -> tuple[int, str]:
    """As a controller does: by host, and by itself where it knows none."""
    host = host.partition(":")[0]
    if host == "app.ef-fr.dev":
        return (200, "the application") if path.startswith("/api") else DEFAULT
    return PAGES.get(host, DEFAULT)


@dataclass(frozen=True)
class Controller:
    """The running server."""

    address: str
    port: int

    def url(self, host: str, path: str = "") -> str:
        return f"https://{host}:{self.port}{path}"


@pytest.fixture
def controller(ca: Ca, tmp_path: Path) -> Iterator[Controller]:
    """A server whose certificate covers ef-fr.dev and its names."""
    with https(address(6), ca.issue(["ef-fr.dev", "*.ef-fr.dev"]), tmp_path, respond) as port:
        yield Controller(address(6), port)


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("home.ef-fr.dev", "", 200),
        ("auth.ef-fr.dev", "", 302),
        ("closed.ef-fr.dev", "", 403),
        ("missing.ef-fr.dev", "", 404),
        ("app.ef-fr.dev", "/api/v1", 200),
    ],
)
def test_a_host_that_is_served(controller: Controller, trust: Trust, host: str, path: str, status: int) -> None:
    found = ingresses.check_url(controller.url(host, path), controller.address, trust.tls)
    assert found == f"HTTP {status}, certificate for 90 more days"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unknown.ef-fr.dev", "HTTP 404: the controller does not know this host"),
        ("app.ef-fr.dev", "HTTP 404: the controller does not know this host"),
        ("down.ef-fr.dev", "HTTP 502: nothing answers behind the ingress"),
        ("broken.ef-fr.dev", "HTTP 500"),
        ("home.ef-fr.io", "is not accepted: Hostname mismatch"),
    ],
)
def test_a_host_that_is_not_served(controller: Controller, trust: Trust, host: str, reason: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        ingresses.check_url(controller.url(host), controller.address, trust.tls)
    assert reason in str(failure.value)


@pytest.mark.parametrize(
    ("root", "days", "reason"),
    [
        (None, 3, "only 3 days left, fewer than 15"),
        (None, -2, "is not accepted: certificate has expired"),
        ("Other", 90, "is not accepted: unable to get local issuer certificate"),
    ],
)
def test_the_certificate_that_is_served(
    ca: Ca, trust: Trust, tmp_path: Path, root: str | None, days: int, reason: str
) -> None:
    issued = (Ca(root) if root else ca).issue(["ef-fr.dev", "*.ef-fr.dev"], days)
    with https(address(6), issued, tmp_path, respond) as port, pytest.raises(CheckFailed, match=reason):
        ingresses.check_url(f"https://home.ef-fr.dev:{port}", address(6), trust.tls)


def test_nothing_listens(trust: Trust) -> None:
    with pytest.raises(CheckFailed, match=rf"no connection to {address(9)}:443: Connection refused"):
        ingresses.check_url("https://home.ef-fr.dev", address(9), trust.tls)


def test_a_dashboard_has_to_show_a_page(controller: Controller, stack: MakeStack, trust: Trust) -> None:
    outputs = {
        "ingressAddress": controller.address,
        "authentik": {"url": controller.url("auth.ef-fr.dev"), "ldapUrl": "ldaps://auth.ef-fr.dev"},
        "homepageUrl": controller.url("missing.ef-fr.dev"),
    }
    site = stack(outputs)
    results = run_all([*ingresses.authentik(site, trust), *ingresses.homepage(site, trust)])
    assert [(result.name, result.passed) for result in results] == [("authentik", True), ("homepage", False)]
    assert results[1].reason == "HTTP 404"


@pytest.mark.parametrize(
    ("host", "passed", "reason"),
    [
        ("private.ef-fr.dev", True, "HTTP 401, certificate for 90 more days"),
        ("closed.ef-fr.dev", False, "HTTP 403"),
        ("broken.ef-fr.dev", False, "HTTP 500"),
    ],
)
def test_a_dashboard_may_ask_to_sign_in(
    controller: Controller, stack: MakeStack, trust: Trust, host: str, passed: bool, reason: str
) -> None:
    site = stack({"ingressAddress": controller.address, "homepageUrl": controller.url(host)})
    (result,) = run_all(ingresses.homepage(site, trust))
    assert (result.passed, result.reason) == (passed, reason)


def rule(host: str | None, *paths: str) -> dict[str, Any]:
    http = {"http": {"paths": [{"path": path} for path in paths]}}
    return http if host is None else {"host": host, **http}


def ingress(*rules: dict[str, Any], class_name: str = "nginx") -> dict[str, Any]:
    return {"spec": {"ingressClassName": class_name, "rules": list(rules)}}


def test_what_is_checked_of_the_ingresses(
    controller: Controller, stack: MakeStack, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        ingress(rule("home.ef-fr.dev", "/"), rule("*.apps.ef-fr.dev")),
        ingress(rule("app.ef-fr.dev", "/api/v1", "/api")),
        ingress(rule("app.ef-fr.dev", "/api/v2"), rule(None, "/")),
        ingress(rule("shop.example", "/")),
        ingress(rule("internal.ef-fr.dev", "/"), class_name="other"),
    ]
    monkeypatch.setattr(Cluster, "of", lambda _stack: Ingresses(found))
    outputs = {"ingressClass": "nginx", "ingressAddress": controller.address}
    services = Services(
        dns_address=IPv4Address("10.75.10.200"),
        ingress_address=IPv4Address("10.75.10.201"),
        https_port=controller.port,
    )
    checks = ingresses.hosts(stack(outputs, services=services), trust)
    assert [(check.name, check.target) for check in checks] == [
        ("address", "app.ef-fr.dev"),
        ("https", controller.url("app.ef-fr.dev", "/api")),
        ("address", "home.ef-fr.dev"),
        ("https", controller.url("home.ef-fr.dev", "/")),
        ("https", controller.url("shop.example", "/")),
        ("address", "verify.apps.ef-fr.dev"),
        ("https", controller.url("verify.apps.ef-fr.dev", "/")),
    ]
    passed = {check.target for check in checks if check.name == "https" and run_all([check])[0].passed}
    assert passed == {controller.url("app.ef-fr.dev", "/api"), controller.url("home.ef-fr.dev", "/")}


def test_a_cluster_without_ingresses(stack: MakeStack, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "of", lambda _stack: Ingresses([ingress(rule("a.ef-fr.dev"), class_name="other")]))
    with pytest.raises(CheckFailed, match="the cluster has no Ingress of class nginx"):
        ingresses.hosts(stack({"ingressClass": "nginx", "ingressAddress": "10.75.10.201"}), trust)


class Ingresses:
    """The part of `Cluster` that lists them."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self._found = found

    def items(self, path: str) -> list[dict[str, Any]]:
        assert path == "/apis/networking.k8s.io/v1/ingresses"
        return self._found
