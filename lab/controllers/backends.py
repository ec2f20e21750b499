"""Where a backend of an Ingress leads: to a server that really answers, or to Pods that are only played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from lab.controllers.client import Kind, View
from lab.controllers.ingress_controller import SERVICE
from lab.plugins.kubernetes.api import Object

SLICE: Final = Kind("discovery.k8s.io/v1", "EndpointSlice")

Routes = Mapping[IPv4Address, IPv4Address]


@dataclass(frozen=True)
class Backend:
    """A Service's port with what is behind it."""

    namespace: str
    service: str
    port: str
    """Name or number."""
    servers: tuple[str, ...] = ()
    """`address:port` of what really answers."""
    played: bool = False
    """Pods are behind it, which kwok plays. Without pods and servers nothing is behind it."""


def backend(view: View, namespace: str, reference: Mapping[str, Any], routes: Routes) -> Backend:
    """What `spec.rules[].http.paths[].backend` of an Ingress leads to.

    Args:
        routes: Address of an external service -> address of the lab that plays it.
    """
    name, port = reference["service"]["name"], reference["service"]["port"]
    found = Backend(namespace, name, str(port.get("name") or port.get("number")))
    service = view.get(SERVICE, namespace, name)
    target = _target(service, port) if service else None
    if target is None:
        return found
    servers = []
    for piece in view.all(SLICE, namespace):
        if piece["metadata"].get("labels", {}).get("kubernetes.io/service-name") != name:
            continue
        ready = [each for each in piece.get("endpoints") or [] if each.get("conditions", {}).get("ready", True)]
        if any(each.get("targetRef", {}).get("kind") == "Pod" for each in ready):
            return Backend(namespace, name, found.port, played=True)
        # The controller compares numbers: a target by name is looked up in Pods, and there are none.
        if any(each.get("port") == target for each in piece.get("ports") or []):
            addresses = [IPv4Address(address) for each in ready for address in each["addresses"]]
            servers += [f"{routes.get(address, address)}:{target}" for address in addresses]
    return Backend(namespace, name, found.port, tuple(servers))


def _target(service: Object, reference: Mapping[str, Any]) -> int | str | None:
    """Target port of the Service's port that a backend names."""
    for port in service["spec"].get("ports", []):
        if reference in ({"name": port.get("name")}, {"number": port["port"]}):
            target: int | str = port["targetPort"]
            return target
    return None
