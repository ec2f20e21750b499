"""The socle's namespaces, each with the strictest Pod Security level that its pods can live with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import pulumi

from components import workload

Level = Literal["privileged", "baseline", "restricted"]
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

LEVELS: Final[dict[str, Level]] = {
    "metallb-system": "privileged",  # the speakers use the host's network and raw sockets
    "longhorn-system": "privileged",  # it mounts the nodes' disks
    "nginx-ingress": "restricted",
    "authentik": "restricted",
    "homepage": "restricted",
    "powerdns": "restricted",
}


@dataclass(frozen=True)
class NamespacesArgs:
    """Inputs of the namespaces."""

    protection: bool
    """Pulumi's `protect`: a deleted namespace takes its volumes along."""


class Namespaces(pulumi.ComponentResource):
    """The namespaces that the socle lives in."""

    names: dict[str, pulumi.Output[str]]
    """Name -> the same, once it exists."""
    metallb: pulumi.Output[str]
    longhorn: pulumi.Output[str]
    nginx_ingress: pulumi.Output[str]
    authentik: pulumi.Output[str]
    homepage: pulumi.Output[str]
    powerdns: pulumi.Output[str]

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Namespaces", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=args.protection)
        self.names = made = {
            namespace: workload.namespace(namespace, level, child) for namespace, level in LEVELS.items()
        }
        self.metallb = made["metallb-system"]
        self.longhorn = made["longhorn-system"]
        self.nginx_ingress = made["nginx-ingress"]
        self.authentik = made["authentik"]
        self.homepage = made["homepage"]
        self.powerdns = made["powerdns"]
        self.register_outputs({})
