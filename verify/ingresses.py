"""HTTPS through the ingress controller, by name, as a browser does it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from pydantic import BaseModel

from verify.certificates import Trust, days_left
from verify.checks import Check, CheckFailed
from verify.cluster import Cluster, Object
from verify.https import Answer, Connection
from verify.names import host_address
from verify.stack import Stack

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
UNKNOWN_HOST = "verify.invalid"
"""A name that no ingress can have (RFC 2606): the controller answers for it by itself."""


class Url(BaseModel):
    """What is read of an output that has a URL."""

    url: str


def hosts(stack: Stack, trust: Trust) -> list[Check]:
    """Checks for each host that has an Ingress of the site's class.

    Raises:
        CheckFailed: there is none, or the cluster cannot be asked.
    """
    name, address = stack.output("ingressClass", str), stack.output("ingressAddress", str)
    ingresses = [item for item in Cluster.of(stack).items(INGRESSES) if item["spec"].get("ingressClassName") == name]
    if not ingresses:
        raise CheckFailed(f"the cluster has no Ingress of class {name}")
    services, checks = stack.settings.services, []
    for host, path in sorted(_paths(ingresses).items()):
        if any(f".{host}".endswith(f".{domain}") for domain in stack.domains()):
            checks.append(Check("address", host, partial(host_address, stack, host, address)))
        url = _url(host, services.https_port if services else 443, path)
        checks.append(Check("https", url, partial(check_url, url, address, trust.tls)))
    return checks


def authentik(stack: Stack, trust: Trust) -> list[Check]:
    """A check that Authentik's page is there."""
    return _page("authentik", stack.output("authentik", Url).url, stack, trust)


def homepage(stack: Stack, trust: Trust) -> list[Check]:
    """A check that the dashboard is there, or that it asks people to sign in first.

    Whether anything runs behind the sign-in, `workloads` finds out.
    """
    return _page("homepage", stack.output("homepageUrl", str), stack, trust, signed_in=True)


def check_url(url: str, address: str, context: ssl.SSLContext, ok_below: int = 500, *, signed_in: bool = False) -> str:
    """A URL is served at an address, by what the Ingress names and not by the controller itself.

    Args:
        url: `https://host:port/path`.
        address: Where the controller listens.
        context: What to trust.
        ok_below: The lowest HTTP status that is a failure. A service that wants a login first is well.
        signed_in: Whether 401 is none: the ingress controller answers it where single sign-on works and nobody has
            signed in, and 500 where it cannot ask.

    Raises:
        CheckFailed: it is not.
    """
    parts = urlsplit(url)
    host, path = str(parts.hostname), parts.path or "/"
    with Connection(address, parts.port or 443, host, context) as connection:
        days = days_left(datetime.fromtimestamp(connection.expiry(), UTC))
        answer = connection.get(path, {"Host": parts.netloc})
        if answer == connection.get(path, {"Host": UNKNOWN_HOST}):
            raise CheckFailed(
                f"HTTP {answer.status}: the controller does not know this host, it answers as for any other;"
                " see the Ingress's events"
            )
    if answer.status >= ok_below and not (signed_in and answer.status == HTTPStatus.UNAUTHORIZED):
        raise CheckFailed(f"HTTP {answer.status}{_cause(answer)}")
    return f"HTTP {answer.status}, certificate for {days} more days"


def _page(name: str, url: str, stack: Stack, trust: Trust, *, signed_in: bool = False) -> list[Check]:
    address = stack.output("ingressAddress", str)
    return [Check(name, url, partial(check_url, url, address, trust.tls, ok_below=400, signed_in=signed_in))]


def _paths(ingresses: list[Object]) -> dict[str, str]:
    """Each host with the shortest path that it has: below others an application may have nothing."""
    paths: dict[str, str] = {}
    for rule in (rule for ingress in ingresses for rule in ingress["spec"].get("rules", [])):
        # Any one label stands for a wildcard.
        host = rule.get("host", "").replace("*", "verify")
        found = [path.get("path", "/") for path in rule.get("http", {}).get("paths", [])]
        if host:
            paths[host] = min([*found, *([paths[host]] if host in paths else [])], key=len, default="/")
    return paths


def _url(host: str, port: int, path: str) -> str:
    return f"https://{host}{path}" if port == 443 else f"https://{host}:{port}{path}"


def _cause(answer: Answer) -> str:
    if answer.status in (502, 503, 504):
        return ": nothing answers behind the ingress; see the Pods of its Service"
    return ""
