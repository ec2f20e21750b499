"""The NGINX Ingress Controller that the program installed: what its command line and its Service say.

Facts of F5's controller 5.5 (chart 2.6.4):
https://docs.nginx.com/nginx-ingress-controller/configuration/global-configuration/command-line-arguments/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lab.controllers.client import Kind, View
from lab.plugins.kubernetes.api import Object

SERVICE: Final = Kind("v1", "Service")
WORKLOADS: Final = (Kind("apps/v1", "Deployment"), Kind("apps/v1", "DaemonSet"))
KINDS: Final = (SERVICE, *WORKLOADS)

IMAGE: Final = "nginx-ingress"
"""Last part of the image's name, whatever the registry."""


@dataclass(frozen=True)
class IngressController:
    """The controller of a cluster, behind its Service."""

    namespace: str
    arguments: Mapping[str, str]
    """Of its command line, without dashes; a flag that is only named is `true`."""
    address: str
    """That of its Service."""
    ports: Mapping[int, int]
    """Port that the controller listens on -> port of its Service, for those that are published."""

    @property
    def ingress_class(self) -> str:
        return self.arguments.get("ingress-class", "nginx")

    @property
    def default_ports(self) -> tuple[int, int]:
        """Ports of the server that answers for unknown hosts, HTTP and HTTPS."""
        http = self.arguments.get("default-http-listener-port", "80")
        https = self.arguments.get("default-https-listener-port", "443")
        return int(http), int(https)

    @property
    def reports_status(self) -> bool:
        """True if it writes its address to the Ingresses."""
        return "external-service" in self.arguments and self.arguments.get("report-ingress-status") == "true"

    def listen(self, port: int) -> str | None:
        """`address:port` where a port of the controller is published; None if it is not."""
        return f"{self.address}:{self.ports[port]}" if port in self.ports else None


def find(view: View) -> IngressController | None:
    """The controller, once it is ready and its Service has an address."""
    for workload in (item for kind in WORKLOADS for item in view.all(kind)):
        status = workload.get("status", {})
        if not status.get("readyReplicas") and not status.get("numberReady"):
            continue
        for container in workload["spec"]["template"]["spec"]["containers"]:
            if container["image"].rpartition("/")[2].partition(":")[0] == IMAGE:
                return _behind_service(view, workload, container)
    return None


def _behind_service(view: View, workload: Object, container: Object) -> IngressController | None:
    namespace = workload["metadata"]["namespace"]
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    for service in view.all(SERVICE, namespace):
        given = (service["status"].get("loadBalancer") or {}).get("ingress") or []
        selector = service["spec"].get("selector") or {}
        if given and selector and selector.items() <= labels:
            names = {port.get("name"): port["containerPort"] for port in container.get("ports", [])}
            return IngressController(
                namespace,
                _arguments(container.get("args", []), namespace),
                given[0]["ip"],
                {names.get(each["targetPort"], each["targetPort"]): each["port"] for each in service["spec"]["ports"]},
            )
    return None


def _arguments(words: list[str], namespace: str) -> dict[str, str]:
    pairs = (word.replace("$(POD_NAMESPACE)", namespace).lstrip("-").partition("=") for word in words)
    return {name: value if equals else "true" for name, equals, value in pairs}
