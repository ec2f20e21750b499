"""`Homepage`: the dashboard that finds the site's applications."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.socle import hosts
from components.socle.release import release
from settings import Chart, Services

PORT = 3000
"""Of the container."""


@dataclass(frozen=True)
class HomepageArgs:
    """Inputs of Homepage."""

    chart: Chart
    namespace: pulumi.Input[str]
    site: str
    domain: str
    """The site's first zone, which its name is in."""
    published: Services
    """Where people reach the ingress controller."""
    sign_in: pulumi.Input[str]
    """`namespace/name` of the controller's policy by which people sign in first."""
    ingress_class: pulumi.Input[str]
    """Of the Ingress; known once its controller is there."""


class Homepage(pulumi.ComponentResource):
    """Homepage and its Ingress."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: HomepageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:Homepage", name, None, opts)
        host = hosts.homepage(args.domain)
        values = {
            "env": [
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                # It answers no request for another host, which the controller hands on without its port; the kubelet's
                # probes come by the pod's address.
                {"name": "HOMEPAGE_ALLOWED_HOSTS", "value": f"$(POD_IP):{PORT},{host}"},
            ],
            "config": {"settings": {"title": f"OSS NextGen {args.site.capitalize()}"}},
            "ingress": {
                "main": {
                    "annotations": {**hosts.redirect(args.published), "nginx.org/policies": args.sign_in},
                    "ingressClassName": args.ingress_class,
                    "hosts": [{"host": host, "paths": [{"path": "/", "pathType": "Prefix"}]}],
                    "tls": [{"hosts": [host]}],
                }
            },
        }
        installed = release("homepage", args.chart, args.namespace, values, pulumi.ResourceOptions(parent=self))
        self.url = installed.id.apply(lambda _: hosts.url(host, args.published))
        self.register_outputs({"url": self.url})
