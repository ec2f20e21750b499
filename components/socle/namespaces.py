"""The socle's namespaces, each with the strictest Pod Security level that its pods can live with."""

from __future__ import annotations

from typing import Final, Literal

import pulumi

from components import workload
from settings.teams import SOCLE

Level = Literal["privileged", "baseline", "restricted"]
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

PRIVILEGED: Final = (
    "metallb-system",  # the speakers use the host's network and raw sockets
    "longhorn-system",  # it mounts the nodes' disks
)
LEVELS: Final[dict[str, Level]] = {name: "privileged" if name in PRIVILEGED else "restricted" for name in SOCLE}


class Namespaces(pulumi.ComponentResource):
    """The namespaces that the socle lives in.

    Args:
        name: Name of the component.
        protection: Pulumi's `protect`: a deleted namespace takes its volumes along.
    """

    names: dict[str, pulumi.Output[str]]
    """Name -> the same, once it exists."""

    def __init__(self, name: str, protection: bool, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Namespaces", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=protection)
        self.names = {namespace: workload.namespace(namespace, level, child) for namespace, level in LEVELS.items()}
        self.register_outputs({})
