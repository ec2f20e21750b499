"""MetalLB's controller: gives LoadBalancer services their addresses.

It acts while MetalLB's Deployment is ready, with the real one's events and messages. There is no
speaker, and no need of one: an address of the lab is the machine's own already.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

from lab.controllers.addresses import Allocator, Claim, Pool, Refused, key
from lab.controllers.client import Cluster, Kind, View
from lab.controllers.config import Config
from lab.plugins.kubernetes.api import Object

DEPLOYMENT: Final = Kind("apps/v1", "Deployment")
POOL: Final = Kind("metallb.io/v1beta1", "IPAddressPool")
SERVICE: Final = Kind("v1", "Service")

_CONTROLLER_LABELS: Final = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}

_log = logging.getLogger(__name__)


class MetalLb:
    """Keeps `status.loadBalancer` of the cluster's services."""

    name = "metallb-controller"

    def __init__(self, config: Config) -> None:
        self._lab = config.load_balancers
        self._given: dict[str, IPv4Address] = {}
        """By uid of the service: a view may be older than the last address given."""
        self._told: dict[str, str] = {}
        """Last refusal by uid: it is an event once, not at every change in the cluster."""

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        for view in cluster.follow(stop, DEPLOYMENT, POOL, SERVICE):
            home = _home(view)
            if home:
                self._reconcile(cluster, view, home)

    def _reconcile(self, cluster: Cluster, view: View, home: str) -> None:
        allocator = Allocator(list(self._pools(cluster, view.all(POOL, home))))
        waiting = []
        for service in view.all(SERVICE):
            current = self._current(service)
            if service["spec"]["type"] != "LoadBalancer":
                if current:
                    self._set(cluster, service, None)
            elif "loadBalancerClass" not in service["spec"]:
                try:
                    claim = Claim.parse(service)
                except Refused as refusal:
                    self._refuse(cluster, service, refusal)
                    continue
                if not current or not self._keep(cluster, service, claim, current, allocator):
                    waiting.append((service, claim))
        for service, claim in waiting:
            try:
                address = allocator.allocate(claim)
            except Refused as refusal:
                self._refuse(cluster, service, refusal)
                continue
            self._set(cluster, service, address)
            cluster.event(SERVICE, service, "IPAllocated", f'Assigned IP ["{address}"]')
            self._told.pop(service["metadata"]["uid"], None)

    def _keep(
        self, cluster: Cluster, service: Object, claim: Claim, current: IPv4Address, allocator: Allocator
    ) -> bool:
        """True if the service may keep its address."""
        if claim.address not in (None, current):
            return False
        try:
            allocator.assign(claim, current)
        except Refused as refusal:
            cluster.event(
                SERVICE,
                service,
                "ClearAssignment",
                f'current IP for "{claim.key}" not allowed by config, will attempt for new IP assignment: {refusal}',
            )
            self._set(cluster, service, None)
            return False
        if not service["status"]["loadBalancer"].get("ingress"):
            self._set(cluster, service, current)  # given already, unless somebody took it away
        return True

    def _current(self, service: Object) -> IPv4Address | None:
        ingress = service["status"]["loadBalancer"].get("ingress")
        return IPv4Address(ingress[0]["ip"]) if ingress else self._given.get(service["metadata"]["uid"])

    def _set(self, cluster: Cluster, service: Object, address: IPv4Address | None) -> None:
        ingress = [{"ip": str(address)}] if address else None
        cluster.patch_status(SERVICE, service, {"loadBalancer": {"ingress": ingress}})
        _log.info("%s: %s", key(service), address or "no address any more")
        if address:
            self._given[service["metadata"]["uid"]] = address
        else:
            self._given.pop(service["metadata"]["uid"], None)

    def _refuse(self, cluster: Cluster, service: Object, refusal: Refused) -> None:
        if self._current(service):
            self._set(cluster, service, None)
        message = f'Failed to allocate IP for "{key(service)}": {refusal}'
        self._warn(cluster, SERVICE, service, "AllocationFailed", message)

    def _pools(self, cluster: Cluster, items: Sequence[Object]) -> Iterator[Pool]:
        for item in items:
            try:
                yield Pool.parse(item, self._lab)
            except Refused as refusal:
                self._warn(cluster, POOL, item, "InvalidConfiguration", str(refusal))

    def _warn(self, cluster: Cluster, kind: Kind, item: Object, reason: str, message: str) -> None:
        uid = item["metadata"]["uid"]
        if self._told.get(uid) != message:
            cluster.event(kind, item, reason, message, warning=True)
            _log.warning("%s %s: %s", kind.name, key(item), message)
            self._told[uid] = message


def _home(view: View) -> str:
    """Namespace of MetalLB's own controller, if it is ready: pools count in that namespace only."""
    for deployment in view.all(DEPLOYMENT):
        metadata = deployment["metadata"]
        ours = _CONTROLLER_LABELS.items() <= metadata.get("labels", {}).items()
        if ours and deployment.get("status", {}).get("readyReplicas"):
            return str(metadata["namespace"])
    return ""
