"""`NetworkPolicies`: who may reach which pods of the socle. What nobody has opened is closed.

Two things need no opening: answers, and what a node sends to its own pods (the kubelet's probes, `kubectl
port-forward`). The API server does need one for each webhook: it comes from a control-plane node, by whichever address
the overlay network gives that. Metrics are open to nobody: nothing on the platform scrapes them yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_kubernetes import meta, networking

from components.powerdns import server as powerdns
from components.socle import homepage, postgresql

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
NAMESPACE = "kubernetes.io/metadata.name"
"""Label that Kubernetes gives every namespace: its name."""


@dataclass(frozen=True)
class Opening:
    """Ports of some pods, and for whom they are open."""

    name: str
    pods: dict[str, str]
    """Their labels; none: all of the namespace."""
    ports: Sequence[int] = ()
    """Of the pods; none: all."""
    udp: bool = False
    """Over UDP as well."""
    anyone: bool = False
    namespaces: Sequence[str] = ()
    networks: Sequence[IPv4Network] = ()


def openings(operators: Sequence[IPv4Network]) -> dict[str, list[Opening]]:
    """Namespace -> what is open in it.

    Args:
        operators: Networks that may use the API of PowerDNS.
    """
    ingress = ["nginx-ingress"]
    database = {NAME: "authentik-postgresql"}
    return {
        "metallb-system": [Opening("webhooks", {COMPONENT: "controller"}, [9443], anyone=True)],
        "longhorn-system": [
            Opening("itself", {}, namespaces=["longhorn-system"]),
            Opening("webhooks", {"app": "longhorn-manager"}, [9502], anyone=True),
            # NFS, which nodes mount for volumes that several of them write to.
            Opening("shared-volumes", {"longhorn.io/component": "share-manager"}, [2049], anyone=True),
        ],
        "nginx-ingress": [Opening("web", {NAME: "nginx-ingress"}, [80, 443], anyone=True)],
        "authentik": [
            Opening("server", {COMPONENT: "server"}, [9000, 9443], namespaces=["authentik", *ingress]),
            Opening("database", database, [postgresql.PORT], namespaces=["authentik"]),
            # What the ingress controller asks before it lets a request pass, and the directory for everybody.
            Opening("sign-in", {NAME: "authentik-forward-auth"}, [8080], namespaces=ingress),
            Opening("ldap", {NAME: "authentik-ldap"}, [6636], anyone=True),
        ],
        "homepage": [Opening("web", {NAME: "homepage"}, [homepage.PORT], namespaces=ingress)],
        "powerdns": [
            Opening("dns", {NAME: powerdns.NAME}, [powerdns.DNS_PORT], udp=True, anyone=True),
            # Clients keep their addresses: the Service's externalTrafficPolicy is Local.
            Opening("api", {NAME: powerdns.NAME}, [powerdns.API_PORT], networks=operators),
        ],
    }


@dataclass(frozen=True)
class NetworkPoliciesArgs:
    """Inputs of the policies."""

    namespaces: Mapping[str, pulumi.Input[str]]
    """Name -> the same, once it exists."""
    operators: Sequence[IPv4Network]
    """Networks that may use the API of PowerDNS."""


class NetworkPolicies(pulumi.ComponentResource):
    """For each namespace one policy that closes all of its pods, and one for each opening."""

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:NetworkPolicies", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        for namespace, opened in openings(args.operators).items():
            place = args.namespaces[namespace]
            self._policy(namespace, place, "closed", {}, [])
            for opening in opened:
                self._policy(namespace, place, opening.name, opening.pods, _rules(opening))
        self.register_outputs({})

    def _policy(
        self,
        namespace: str,
        place: pulumi.Input[str],
        name: str,
        pods: dict[str, str],
        rules: list[networking.v1.NetworkPolicyIngressRuleArgs],
    ) -> None:
        networking.v1.NetworkPolicy(
            f"{namespace}-{name}",
            metadata=meta.v1.ObjectMetaArgs(name=name, namespace=place),
            spec=networking.v1.NetworkPolicySpecArgs(
                pod_selector=meta.v1.LabelSelectorArgs(match_labels=pods), policy_types=["Ingress"], ingress=rules
            ),
            opts=self._child,
        )


def _rules(opening: Opening) -> list[networking.v1.NetworkPolicyIngressRuleArgs]:
    """One rule; none for an opening to nobody, because a rule without sources is for all of them."""
    protocols = ("TCP", "UDP") if opening.udp else ("TCP",)
    ports = [
        networking.v1.NetworkPolicyPortArgs(port=port, protocol=protocol)
        for port in opening.ports
        for protocol in protocols
    ]
    if opening.anyone:
        return [networking.v1.NetworkPolicyIngressRuleArgs(ports=ports)]
    sources = [
        networking.v1.NetworkPolicyPeerArgs(
            namespace_selector=meta.v1.LabelSelectorArgs(match_labels={NAMESPACE: namespace})
        )
        for namespace in opening.namespaces
    ]
    sources += [
        networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=str(network)))
        for network in opening.networks
    ]
    return [networking.v1.NetworkPolicyIngressRuleArgs(ports=ports or None, from_=sources)] if sources else []
