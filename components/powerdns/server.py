"""`PowerDns`: the site's authoritative name server, on the cluster.

One pod: PowerDNS with its LMDB database on a replicated volume, and an NGINX that puts TLS and an
allow-list before the API. DNS and the API share one fixed address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pulumi
import pulumi_random as random
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pulumi_kubernetes import apps, core

from components import nginx, workload
from components.authority import InternalAuthority, ServerCertificate, ServerCertificateArgs

TYPE = "oss-nextgen:powerdns:PowerDns"
NAME = "powerdns"
"""Of every object of the server, or the beginning of its name."""
IMAGE = "docker.io/powerdns/pdns-auth-49:4.9.17"
SCHEMA_VERSION = 5
"""Of the database, as the image's release wants it. An upgrade is one-way, and a release that wants another refuses to
start: https://doc.powerdns.com/authoritative/backends/lmdb.html#lmdb-schema-version"""
UID = 953
"""Of `pdns` in the image."""
DNS_PORT = 5353
API_PORT = 8443
"""Both of the pod; `pdns.conf` has the first, too."""
VOLUME_SIZE = "2Gi"
CERTIFICATE_FOLDER = "/etc/powerdns-api-tls"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PowerDnsArgs:
    """Inputs of the name server."""

    namespace: pulumi.Input[str]
    storage_class: pulumi.Input[str]
    authority: InternalAuthority
    """Signs the certificate of the API."""
    address: IPv4Address
    """Fixed: other sites delegate to it."""
    port: int
    """Of DNS, over UDP and TCP."""
    api_port: int
    operators: Sequence[IPv4Network]
    """Networks that may use the API."""
    protection: bool
    """Pulumi's `protect`, on the volume with the zones."""


class PowerDns(pulumi.ComponentResource):
    """The name server. Zones wait for it by its `api_url`."""

    api_url: pulumi.Output[str]
    """Known once the server is ready and has its address."""
    api_key: pulumi.Output[str]
    """Secret."""
    ca_certificate: pulumi.Output[str]
    """PEM; the API's certificate is signed by it."""
    address: str
    port: int

    def __init__(self, name: str, args: PowerDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        self.address, self.port = str(args.address), args.port
        self.ca_certificate = args.authority.certificate
        self.api_key = random.RandomPassword(f"{name}-api-key", length=48, special=False, opts=self._child).result
        certificate = ServerCertificate(
            f"{name}-api",
            ServerCertificateArgs(args.authority, [f"{NAME}.{NAME}.svc"], [args.address]),
            self._child,
        )
        configuration = {"pdns.conf": (FOLDER / "pdns.conf").read_text(encoding="utf-8")}
        key = {"api.conf": self.api_key.apply(lambda key: f"api-key={key}\n")}
        proxy = {"nginx.conf": proxy_configuration(args.operators)}
        tls = {"tls.crt": certificate.certificate, "tls.key": certificate.private_key}
        # By the names of what is there: a new pod must not find the old content.
        volumes = [
            workload.config_map_volume("configuration", self._config_map(NAME, configuration)),
            workload.secret_volume("key", self._secret(NAME, key)),
            workload.config_map_volume("proxy", self._config_map(f"{NAME}-tls", proxy)),
            workload.secret_volume("tls", self._secret(f"{NAME}-api-tls", tls, "kubernetes.io/tls")),
        ]
        server = self._server(volumes, workload.digest({**configuration, **key, **proxy, **tls}))
        service = self._service()
        url = f"https://{args.address}:{args.api_port}"
        self.api_url = pulumi.Output.all(server.id, service.id).apply(lambda _: url)
        self.register_outputs({"apiUrl": self.api_url})

    def _config_map(self, name: str, data: dict[str, str]) -> pulumi.Output[str]:
        metadata = workload.metadata(name, self._args.namespace, NAME)
        made: pulumi.Output[str] = core.v1.ConfigMap(name, metadata=metadata, data=data, opts=self._child).metadata.name
        return made

    def _secret(self, name: str, data: dict[str, pulumi.Output[str]], type: str = "Opaque") -> pulumi.Output[str]:
        metadata = workload.metadata(name, self._args.namespace, NAME)
        secret = core.v1.Secret(name, type=type, metadata=metadata, string_data=data, opts=self._child)
        made: pulumi.Output[str] = secret.metadata.name
        return made

    def _service(self) -> core.v1.Service:
        args = self._args
        ports = [
            ("dns-udp", args.port, "UDP"),
            ("dns-tcp", args.port, "TCP"),
            ("api", args.api_port, "TCP"),
        ]
        return workload.service(
            NAME,
            args.namespace,
            [
                core.v1.ServicePortArgs(name=port, port=number, target_port=port, protocol=protocol)
                for port, number, protocol in ports
            ],
            self._child,
            args.address,
            type="LoadBalancer",
            # Keeps the client's address: the API's allow-list needs it.
            external_traffic_policy="Local",
        )

    def _server(self, volumes: list[core.v1.VolumeArgs], digest: pulumi.Output[str]) -> apps.v1.StatefulSet:
        args = self._args
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        claim = workload.claim(f"{NAME}-data", args.namespace, args.storage_class, VOLUME_SIZE, kept)
        proxy = nginx.container("api-tls", ("api", API_PORT), "proxy", "10m", {"tls": CERTIFICATE_FOLDER}, nginx.UID)
        pod = workload.pod(
            UID,
            [_powerdns(), proxy],
            [workload.claimed_volume("data", claim), *volumes, workload.scratch("run"), workload.scratch("tmp")],
        )
        # Neither program reads its configuration again by itself.
        annotations = {"checksum/configuration": digest}
        return workload.stateful_set(NAME, args.namespace, pod, self._child, annotations)


def proxy_configuration(operators: Sequence[IPv4Network]) -> str:
    """The configuration of the NGINX before the API."""
    # The output is NGINX's, not HTML: nothing to escape.
    environment = Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
    template = environment.get_template("nginx.conf.j2")
    return template.render(port=API_PORT, certificate=CERTIFICATE_FOLDER, operators=operators)


def _powerdns() -> core.v1.ContainerArgs:
    answers = core.v1.TCPSocketActionArgs(port="dns-tcp")
    return core.v1.ContainerArgs(
        name=NAME,
        image=IMAGE,
        args=[f"--lmdb-schema-version={SCHEMA_VERSION}"],
        ports=[
            core.v1.ContainerPortArgs(name="dns-udp", container_port=DNS_PORT, protocol="UDP"),
            core.v1.ContainerPortArgs(name="dns-tcp", container_port=DNS_PORT),
        ],
        readiness_probe=core.v1.ProbeArgs(tcp_socket=answers, period_seconds=5),
        liveness_probe=core.v1.ProbeArgs(tcp_socket=answers, period_seconds=10, failure_threshold=6),
        resources=workload.resources("100m", "128Mi", "512Mi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=[
            *workload.mounts({"data": "/var/lib/powerdns", "key": "/etc/powerdns/pdns.d", "run": "/run/pdns"}),
            workload.file_mount("configuration", "/etc/powerdns/pdns.conf"),
        ],
    )
