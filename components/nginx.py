"""An NGINX of our own before a program that lacks what it adds; not the ingress controller."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi_kubernetes import core

from components import workload

IMAGE = "docker.io/nginxinc/nginx-unprivileged:1.30.4-alpine"
UID = 101
"""Of `nginx` in the image."""


def container(
    name: str,
    port: tuple[str, int],
    configuration: str,
    cpu: str,
    volumes: Mapping[str, str] | None = None,
    uid: int | None = None,
) -> core.v1.ContainerArgs:
    """The container, in a pod that has a volume `tmp`.

    Args:
        name: Of the container.
        port: Name and number, where it listens over TCP.
        configuration: The volume with `nginx.conf`.
        cpu: Requested.
        volumes: What else it reads: volume -> path.
        uid: `UID` where the pod runs as another user.
    """
    port_name, number = port
    listens = core.v1.TCPSocketActionArgs(port=port_name)
    return core.v1.ContainerArgs(
        name=name,
        image=IMAGE,
        # Not the image's entry point, which would edit files that are read-only here.
        command=["nginx", "-g", "daemon off;"],
        ports=[core.v1.ContainerPortArgs(name=port_name, container_port=number)],
        readiness_probe=core.v1.ProbeArgs(tcp_socket=listens, period_seconds=5),
        liveness_probe=core.v1.ProbeArgs(tcp_socket=listens, period_seconds=10),
        resources=workload.resources(cpu, "32Mi", "128Mi"),
        security_context=workload.container_security(uid),
        volume_mounts=[
            *workload.mounts({**(volumes or {}), "tmp": "/tmp"}),  # noqa: S108 - the pod's own
            workload.file_mount(configuration, "/etc/nginx/nginx.conf"),
        ],
    )
