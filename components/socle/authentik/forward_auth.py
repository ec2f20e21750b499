"""`ForwardAuth`: Authentik's sign-in before applications that know no users, by a policy of the ingress controller.

The controller (F5, 5.5) asks before each request whether it may pass. Two things are missing for Authentik's outpost to
answer by itself: a header with the original URL, and a way to the sign-in, for the controller answers 401, with which
browsers follow no redirection. A small NGINX in between brings both, without snippets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pulumi_kubernetes import apiextensions, core, meta

from components import nginx, workload

NAME = "authentik-forward-auth"
POLICY = "single-sign-on"
PORT = 8080
REPLICAS = 2
"""Without it no application that is behind it can be used."""
OUTPOST = "authentik-server"
"""Service of the chart: Authentik's server is the outpost, too."""


@dataclass(frozen=True)
class ForwardAuthArgs:
    """Inputs of the sign-in before applications."""

    namespace: pulumi.Input[str]
    """Authentik's."""
    ingress_class: pulumi.Input[str]
    """Of the controller that enforces the policy, whose kind comes with it."""
    https_port: int
    """By which people reach the applications."""


class ForwardAuth(pulumi.ComponentResource):
    """The policy, and what answers for it."""

    policy: pulumi.Output[str]
    """`namespace/name`, for the annotation `nginx.org/policies` of an Ingress."""

    def __init__(self, name: str, args: ForwardAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:ForwardAuth", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = core.v1.ConfigMap(
            NAME,
            # Without a name of ours: a changed one is there before the old one goes, and nobody waits for the sign-in.
            metadata=meta.v1.ObjectMetaArgs(namespace=args.namespace, labels=workload.labels(NAME)),
            data={"nginx.conf": configuration(args.https_port)},
            opts=child,
        )
        port = core.v1.ServicePortArgs(name="http", port=PORT)
        service = workload.service(NAME, args.namespace, [port], child)
        pod = workload.pod(
            nginx.UID,
            [nginx.container("nginx", ("http", PORT), "configuration", "20m")],
            [workload.config_map_volume("configuration", files.metadata.name), workload.scratch("tmp")],
            topology_spread_constraints=[workload.spread(NAME)],
        )
        server = workload.deployment(NAME, args.namespace, REPLICAS, pod, child)
        asked = pulumi.Output.concat(
            args.namespace, "/", pulumi.Output.all(service.id, server.id).apply(lambda _: NAME)
        )
        policy = apiextensions.CustomResource(
            f"{name}-policy",
            api_version="k8s.nginx.org/v1",
            kind="Policy",
            metadata=workload.metadata(POLICY, args.namespace, NAME),
            spec={
                "ingressClassName": args.ingress_class,
                "externalAuth": {
                    # With its namespace: a name alone would be looked for in that of each Ingress.
                    "authServiceName": asked,
                    "authServicePorts": [PORT],
                    "authURI": "/auth",
                    "authSigninURI": "/outpost.goauthentik.io/sign-in",
                    "authSigninRedirectBasePath": "/outpost.goauthentik.io",
                },
            },
            opts=child,
        )
        self.policy = pulumi.Output.concat(args.namespace, "/", policy.id.apply(lambda _: POLICY))
        self.register_outputs({"policy": self.policy})


def configuration(https_port: int, port: int = PORT, outpost: str = OUTPOST) -> str:
    """The configuration of the NGINX.

    Args:
        https_port: By which people reach the applications.
        port: Where it listens.
        outpost: `host` or `host:port` of Authentik.
    """
    # The output is NGINX's, not HTML: nothing to escape.
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined)  # noqa: S701
    public_port = "" if https_port == 443 else f":{https_port}"
    template = environment.get_template("forward-auth.conf.j2")
    return template.render(port=port, outpost=outpost, public_port=public_port)
