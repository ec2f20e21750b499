"""`NginxIngress`: HTTP and HTTPS into the cluster, and to services beside it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

import pulumi

from components import workload
from components.socle.release import release
from settings import Chart

INGRESS_CLASS = "nginx"


@dataclass(frozen=True)
class NginxIngressArgs:
    """Inputs of the NGINX Ingress Controller (F5)."""

    chart: Chart
    namespace: pulumi.Input[str]
    address: IPv4Address
    http_port: int
    https_port: int
    tls_secret: pulumi.Input[str]
    """`namespace/name` of the certificate for every host that names none. It exists: without it the controller
    does not start."""


class NginxIngress(pulumi.ComponentResource):
    """The controller behind its fixed address."""

    ingress_class: pulumi.Output[str]
    """Name for Ingresses and Policies."""

    def __init__(self, name: str, args: NginxIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:NginxIngress", name, None, opts)
        values = {
            "controller": {
                "defaultTLS": {"secret": args.tls_secret},
                "wildcardTLS": {"secret": args.tls_secret},
                "service": {
                    "annotations": {workload.ADDRESS_ANNOTATION: str(args.address)},
                    "httpPort": {"port": args.http_port},
                    "httpsPort": {"port": args.https_port},
                },
            }
        }
        installed = release("nginx-ingress", args.chart, args.namespace, values, pulumi.ResourceOptions(parent=self))
        self.ingress_class = installed.id.apply(lambda _: INGRESS_CLASS)
        self.register_outputs({"ingressClass": self.ingress_class})
