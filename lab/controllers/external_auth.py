"""F5's policy `externalAuth`: a service that says of each request whether it may pass, as nginx's `auth_request`.

A service whose pods are only played knows nobody: a request is answered as one without a session, 401, unless it has
the cookie `SESSION`, by which a test sees what is behind.
https://docs.nginx.com/nginx-ingress-controller/configuration/policy-resource/#externalauth
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.controllers.backends import Backend, Routes, backend
from lab.controllers.client import View

SESSION: Final = ("lab_session", "known")
"""Name and value of the cookie."""

_PLAIN = {"authURI", "authServiceName", "authServicePorts", "authSigninURI", "authSigninRedirectBasePath"}


@dataclass(frozen=True)
class ExternalAuth:
    """Who is asked, and what stands in for a 401."""

    backend: Backend
    uri: str
    """Where it is asked."""
    sign_in: str
    """What is shown instead of a 401, with that status; empty for nothing."""
    sign_in_path: str
    """Path of the host that leads to the service, for everybody."""

    @property
    def location(self) -> str:
        """Path that only nginx itself uses."""
        return f"/_external_auth{self.uri}"


def external_auth(view: View, namespace: str, spec: Mapping[str, Any], routes: Routes) -> ExternalAuth | None:
    """What the policy says; None if it asks for TLS, which is not modelled.

    Args:
        namespace: Of the Ingress, where a service that names none is looked for.
        routes: Address of an external service -> address of the lab that plays it.
    """
    if any(value for key, value in spec.items() if key not in _PLAIN and key != "sslVerifyDepth"):
        return None
    place, _, service = spec["authServiceName"].rpartition("/")
    port = (spec.get("authServicePorts") or [80])[0]
    reference = {"service": {"name": service, "port": {"number": port}}}
    return ExternalAuth(
        backend(view, place or namespace, reference, routes),
        spec["authURI"],
        spec.get("authSigninURI", ""),
        spec.get("authSigninRedirectBasePath") or "/oauth2",
    )
