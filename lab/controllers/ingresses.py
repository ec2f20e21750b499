"""Servers for nginx from the cluster's Ingresses, as F5's controller understands them.

What the controller knows and this does not is named in `notes`; a policy that cannot be enforced here
makes its host answer 501, never as if it were. Facts:
https://docs.nginx.com/nginx-ingress-controller/configuration/ingress-resources/advanced-configuration-with-annotations/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.controllers.backends import SLICE, Backend, Routes, backend
from lab.controllers.certificates import SecretError, tls_pair
from lab.controllers.client import Kind, View
from lab.controllers.external_auth import ExternalAuth
from lab.controllers.ingress_controller import SERVICE, IngressController
from lab.controllers.pod import SECRET
from lab.controllers.policies import POLICY, PolicyError, apply
from lab.plugins.kubernetes.api import Object

INGRESS: Final = Kind("networking.k8s.io/v1", "Ingress")
CLASS: Final = Kind("networking.k8s.io/v1", "IngressClass")
KINDS: Final = (INGRESS, CLASS, SERVICE, SLICE, SECRET, POLICY)

CONTROLLER: Final = "nginx.org/ingress-controller"
"""`spec.controller` of the IngressClass."""
WILDCARD: Final = "wildcard"
"""File of the certificate for hosts that name none."""

_DIRECTIVES: Final = {
    "nginx.org/client-max-body-size": "client_max_body_size",
    "nginx.org/proxy-connect-timeout": "proxy_connect_timeout",
    "nginx.org/proxy-read-timeout": "proxy_read_timeout",
    "nginx.org/proxy-send-timeout": "proxy_send_timeout",
}
"""Annotations that are a directive of nginx by another name, all of them a number with a unit."""
_NUMBER: Final = re.compile(r"\d+(ms|[smhkMKG])?")
_LISTEN, _LISTEN_SSL = "nginx.org/listen-ports", "nginx.org/listen-ports-ssl"
_POLICIES: Final = "nginx.org/policies"
_REDIRECT: Final = ("nginx.org/ssl-redirect", "ingress.kubernetes.io/ssl-redirect")
_SSL_SERVICES, _WEBSOCKET_SERVICES = "nginx.org/ssl-services", "nginx.org/websocket-services"
_MODELLED: Final = {*_DIRECTIVES, *_REDIRECT, _LISTEN, _LISTEN_SSL, _POLICIES, _SSL_SERVICES, _WEBSOCKET_SERVICES}
_OF_CONTROLLER: Final = ("nginx.org/", "nginx.com/", "appprotect.f5.com/", "appprotectdos.f5.com/")


@dataclass(frozen=True)
class Location:
    """A path of a host."""

    path: str
    """In nginx's words: `/x`, or `= /x`."""
    backend: Backend
    tls: bool
    """The backend speaks HTTPS."""
    websocket: bool


@dataclass
class Server:
    """A host."""

    host: str
    ingress: str
    """`namespace/name`."""
    locations: list[Location]
    ports: list[int]
    """That the controller listens on for it, plain."""
    tls_ports: list[int] = field(default_factory=list)
    certificate: str = ""
    """File with chain and key; without it a TLS handshake is refused."""
    redirect: int = 0
    """Port that plain requests are sent to; 0 for none."""
    directives: list[str] = field(default_factory=list)
    external_auth: ExternalAuth | None = None
    status: int = 0
    """All that the host answers; 0 where nothing is wrong with its policies."""


class Servers:
    """All that nginx is to serve, with the files that it needs.

    Args:
        view: The cluster.
        controller: The ingress controller.
        routes: Address of an external service -> address of the lab that plays it.
    """

    def __init__(self, view: View, controller: IngressController, routes: Routes) -> None:
        self._view, self._controller, self._routes = view, controller, routes
        self.files: dict[str, str] = {}
        """Path below nginx's folder -> content."""
        self.notes: list[str] = []
        """What is wrong or not modelled, for a person."""
        self.handled: list[Object] = []
        """The Ingresses."""
        self._wildcard = self._own_certificate("wildcard-tls-secret", WILDCARD)
        self.default_certificate = self._own_certificate("default-server-tls-secret", "default")
        """For unknown hosts; empty if their handshakes are refused."""
        self.servers = self._servers()

    def _own_certificate(self, argument: str, file: str) -> str:
        """Path of a certificate that the controller's command line names.

        Raises:
            SecretError: the real controller does not start without it either.
        """
        reference = self._controller.arguments.get(argument, "")
        return self._keep(file, tls_pair(self._view, reference)) if reference else ""

    def _servers(self) -> dict[str, Server]:
        servers: dict[str, Server] = {}
        name = self._controller.ingress_class
        if (self._view.get(CLASS, "", name) or {}).get("spec", {}).get("controller") != CONTROLLER:
            self.notes.append(f"there is no IngressClass {name} of {CONTROLLER}: no Ingress is served")
            return servers
        items = [item for item in self._view.all(INGRESS) if item["spec"].get("ingressClassName") == name]
        # A host belongs to the oldest Ingress that claims it.
        for item in sorted(items, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["uid"])):
            if self._refused(item):
                continue
            self.handled.append(item)
            for rule in item["spec"].get("rules", []):
                server = self._server(item, rule)
                if server.host in servers:
                    self._note(item, f"host {server.host} belongs to Ingress {servers[server.host].ingress}")
                else:
                    servers[server.host] = server
        return servers

    def _refused(self, item: Object) -> bool:
        """Note what an Ingress says that has no effect here. True if all of it has none."""
        annotations = item["metadata"].get("annotations", {})
        for name in sorted(annotations):
            if name.startswith(_OF_CONTROLLER) and name not in _MODELLED:
                self._note(item, f"annotation {name} is not modelled")
        if "nginx.org/mergeable-ingress-type" in annotations:
            return True
        if item["spec"].get("defaultBackend"):
            self._note(item, "spec.defaultBackend is not modelled")
        hostless = not all(rule.get("host") for rule in item["spec"].get("rules", []))
        if hostless:
            self._note(item, "a rule without a host: the controller rejects the Ingress")
        return hostless

    def _server(self, item: Object, rule: Mapping[str, Any]) -> Server:
        annotations, namespace = item["metadata"].get("annotations", {}), item["metadata"]["namespace"]
        tls, websocket = _words(annotations, _SSL_SERVICES), _words(annotations, _WEBSOCKET_SERVICES)
        locations = []
        for path in rule.get("http", {}).get("paths", []):
            target = backend(self._view, namespace, path["backend"], self._routes)
            prefix = "= " if path["pathType"] == "Exact" else ""
            where = prefix + (path.get("path") or "/")
            locations.append(Location(where, target, target.service in tls, target.service in websocket))
        ports = [int(port) for port in _words(annotations, _LISTEN)] or [80]
        server = Server(rule["host"], f"{namespace}/{item['metadata']['name']}", locations, ports)
        self._add_tls(item, server)
        for name, directive in _DIRECTIVES.items():
            if name in annotations and _NUMBER.fullmatch(annotations[name]):
                server.directives.append(f"{directive} {annotations[name]}")
            elif name in annotations:
                self._note(item, f"annotation {name}: {annotations[name]!r} is no size or time")
        try:
            applied = apply(self._view, namespace, _words(annotations, _POLICIES), self._routes, self._keep)
            server.directives += applied.directives
            server.external_auth = applied.external_auth
            if applied.external_auth and applied.external_auth.backend.played:
                who = applied.external_auth.backend
                self._note(item, f"{server.host} answers 401: {who.namespace}/{who.service}, played, knows nobody")
        except PolicyError as error:
            server.status = error.status
            self._note(item, f"{server.host} answers {error.status}: {error}")
        return server

    def _add_tls(self, item: Object, server: Server) -> None:
        entries = [each for each in item["spec"].get("tls", []) if server.host in each.get("hosts", [])]
        if not entries:
            return
        annotations, namespace = item["metadata"].get("annotations", {}), item["metadata"]["namespace"]
        server.tls_ports = [int(port) for port in _words(annotations, _LISTEN_SSL)] or [443]
        if all(annotations.get(name, "true").lower() == "true" for name in _REDIRECT):
            server.redirect = server.tls_ports[0]
        if name := entries[-1].get("secretName"):
            try:
                server.certificate = self._keep(f"{namespace}_{name}", tls_pair(self._view, f"{namespace}/{name}"))
            except SecretError as error:
                self._note(item, f"{server.host} refuses TLS: {error}")
        elif self._wildcard:
            server.certificate = self._wildcard
        else:
            self._note(item, f"{server.host} refuses TLS: it names no secret, and there is no wildcard certificate")

    def _keep(self, name: str, content: str) -> str:
        path = f"secrets/{name}.pem"
        self.files[path] = content
        return path

    def _note(self, item: Object, text: str) -> None:
        metadata = item["metadata"]
        self.notes.append(f"Ingress {metadata['namespace']}/{metadata['name']}: {text}")


def _words(annotations: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in annotations.get(name, "").split(",") if word.strip()]
