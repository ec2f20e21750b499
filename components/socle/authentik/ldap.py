"""`Ldap`: the directory for applications that know LDAP only: an outpost of Authentik behind LDAPS."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

import pulumi
from pulumi_kubernetes import core

from components import workload

NAME = "authentik-ldap"
REPOSITORY = "ghcr.io/goauthentik/ldap"
"""Its releases are those of Authentik, and of the chart."""
UID = 1000
"""Of `authentik` in the image."""
PORT = 636
CONTAINER_PORT = 6636
SERVER = "https://authentik-server"
"""Service of the chart. Authentik's own certificate there is self-signed."""


@dataclass(frozen=True)
class LdapArgs:
    """Inputs of the outpost."""

    namespace: pulumi.Input[str]
    """Authentik's."""
    version: str
    """Of Authentik."""
    address: IPv4Address | None
    """Where it is reached from outside the cluster; None: from inside only."""
    token: pulumi.Input[str]
    """With which it reads its configuration; secret."""


class Ldap(pulumi.ComponentResource):
    """The outpost. It is ready once Authentik knows it, by the blueprint."""

    host: pulumi.Output[str]
    """Name in the cluster; known once it is ready."""

    def __init__(self, name: str, args: LdapArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Ldap", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        environment: dict[str, pulumi.Input[str]] = {
            "AUTHENTIK_HOST": SERVER,
            "AUTHENTIK_INSECURE": "true",
            "AUTHENTIK_TOKEN": pulumi.Output.secret(args.token),
        }
        secret = core.v1.Secret(
            NAME, metadata=workload.metadata(NAME, args.namespace), string_data=environment, opts=child
        )
        annotations = {"checksum/environment": workload.digest(environment)}
        pod = _pod(args.version, secret.metadata.name)
        server = workload.deployment(NAME, args.namespace, 2, pod, child, annotations)
        service = workload.service(
            NAME,
            args.namespace,
            [core.v1.ServicePortArgs(name="ldaps", port=PORT, target_port="ldaps")],
            child,
            args.address,
            type="ClusterIP" if args.address is None else "LoadBalancer",
        )
        ready = pulumi.Output.all(server.id, service.id).apply(lambda _: NAME)
        self.host = pulumi.Output.concat(ready, ".", args.namespace, ".svc")
        self.register_outputs({"host": self.host})


def _pod(version: str, environment: pulumi.Input[str]) -> core.v1.PodSpecArgs:
    # It listens once it has its configuration, and asks for that until Authentik has applied the blueprint.
    listens = core.v1.TCPSocketActionArgs(port="ldaps")
    container = core.v1.ContainerArgs(
        name="ldap",
        image=f"{REPOSITORY}:{version}",
        env_from=[core.v1.EnvFromSourceArgs(secret_ref=core.v1.SecretEnvSourceArgs(name=environment))],
        ports=[core.v1.ContainerPortArgs(name="ldaps", container_port=CONTAINER_PORT)],
        startup_probe=core.v1.ProbeArgs(tcp_socket=listens, period_seconds=10, failure_threshold=90),
        readiness_probe=core.v1.ProbeArgs(tcp_socket=listens, period_seconds=10),
        liveness_probe=core.v1.ProbeArgs(tcp_socket=listens, period_seconds=10, failure_threshold=6),
        resources=workload.resources("50m", "64Mi", "256Mi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=workload.mounts({"tmp": "/tmp"}),  # noqa: S108 - the pod's own
    )
    return workload.pod(
        UID, [container], [workload.scratch("tmp")], topology_spread_constraints=[workload.spread(NAME)]
    )
