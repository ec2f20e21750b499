"""Policies of F5's controller, as directives of nginx.

https://docs.nginx.com/nginx-ingress-controller/configuration/policy-resource/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.controllers.backends import Routes
from lab.controllers.certificates import SecretError, authority, tls_pair
from lab.controllers.client import Kind, View
from lab.controllers.external_auth import ExternalAuth, external_auth

POLICY: Final = Kind("k8s.nginx.org/v1", "Policy")

Keep = Callable[[str, str], str]
"""Takes a file's name and content, gives the path by which nginx finds it."""


class PolicyError(Exception):
    """The controller cannot apply a policy: whatever it protects answers `status`."""

    status = 500


class PolicyNotModelled(PolicyError):
    """The lab cannot apply a policy that the controller can."""

    status = 501


@dataclass
class Applied:
    """What policies make of a server."""

    directives: list[str] = field(default_factory=list)
    external_auth: ExternalAuth | None = None


def apply(view: View, namespace: str, names: list[str], routes: Routes, keep: Keep) -> Applied:
    """What the policies that an Ingress names make of its server.

    Args:
        namespace: Of the Ingress.
        names: `name` or `namespace/name`.
        routes: Address of an external service -> address of the lab that plays it.

    Raises:
        PolicyError: the first that cannot be applied.
    """
    applied = Applied()
    for name in names:
        reference = name if "/" in name else f"{namespace}/{name}"
        item = view.get(POLICY, *reference.split("/", 1))
        if item is None:
            raise PolicyError(f"policy {reference} does not exist")
        kinds = set(item["spec"]) - {"ingressClassName"}
        if kinds == {"accessControl"}:
            applied.directives += _access(item["spec"]["accessControl"])
        elif kinds == {"egressMTLS"}:
            try:
                applied.directives += _egress(view, item["metadata"]["namespace"], item["spec"]["egressMTLS"], keep)
            except SecretError as error:
                raise PolicyError(f"policy {reference}: {error}") from None
        elif kinds == {"externalAuth"}:
            applied.external_auth = external_auth(view, namespace, item["spec"]["externalAuth"], routes)
            if applied.external_auth is None:
                raise PolicyNotModelled(f"policy {reference}: externalAuth over TLS is not modelled")
        else:
            raise PolicyNotModelled(f"policy {reference}: {', '.join(sorted(kinds))} is not modelled")
    return applied


def _access(spec: Mapping[str, Any]) -> Iterator[str]:
    for word, rest in (("allow", "deny all"), ("deny", "allow all")):
        yield from (f"{word} {address}" for address in spec.get(word) or [])
        if spec.get(word):
            yield rest


def _egress(view: View, namespace: str, spec: Mapping[str, Any], keep: Keep) -> Iterator[str]:
    if name := spec.get("tlsSecret"):
        path = keep(f"{namespace}_{name}", tls_pair(view, f"{namespace}/{name}"))
        yield from (f"proxy_ssl_certificate {path}", f"proxy_ssl_certificate_key {path}")
    if name := spec.get("trustedCertSecret"):
        yield f"proxy_ssl_trusted_certificate {keep(f'{namespace}_{name}', authority(view, f'{namespace}/{name}'))}"
    yield f"proxy_ssl_verify {_switch(spec.get('verifyServer', False))}"
    yield f"proxy_ssl_verify_depth {int(spec.get('verifyDepth', 1))}"
    yield f"proxy_ssl_protocols {spec.get('protocols') or 'TLSv1 TLSv1.1 TLSv1.2'}"
    yield f"proxy_ssl_ciphers {spec.get('ciphers') or 'DEFAULT'}"
    yield f"proxy_ssl_session_reuse {_switch(spec.get('sessionReuse', True))}"
    yield f"proxy_ssl_server_name {_switch(spec.get('serverName', False))}"
    yield f"proxy_ssl_name {spec.get('sslName') or '$proxy_host'}"


def _switch(value: bool) -> str:
    return "on" if value else "off"
