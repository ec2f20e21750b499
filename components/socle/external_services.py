"""`ExternalServices`: servers beside the cluster, reached through its ingress controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apiextensions, core, discovery, meta, networking

from components.socle import hosts
from settings import ExternalService, Services

IDLE_CONSOLE = "1h"
"""How long a console may stay silent; NGINX would close its connection after a minute."""


@dataclass(frozen=True)
class ExternalServicesArgs:
    """Inputs of the external services."""

    services: Sequence[ExternalService]
    published: Services
    """Where the ingress controller is reached."""
    namespace: pulumi.Input[str]
    ingress_class: pulumi.Input[str]
    tls_secrets: Mapping[str, pulumi.Input[str]]
    """Zone -> Secret in the namespace with the certificate for its hosts. A host of another zone is served with the
    controller's default."""
    domain: str
    """The site's first zone."""
    sign_in: pulumi.Input[str]
    """`namespace/name` of the controller's policy by which people sign in first."""


class ExternalServices(pulumi.ComponentResource):
    """A Service without pods, its one endpoint and its Ingress, for each external service."""

    def __init__(self, name: str, args: ExternalServicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:ExternalServices", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        for service in args.services:
            self._publish(service)
        self.register_outputs({})

    def _publish(self, service: ExternalService) -> None:
        self._backend(service)
        annotations: dict[str, pulumi.Input[str]] = {
            # Pulumi would wait for an Endpoints object of the Service's name, and only EndpointSlices exist.
            "pulumi.com/skipAwait": "true",
            "nginx.org/websocket-services": service.name,
            "nginx.org/proxy-read-timeout": IDLE_CONSOLE,
            # How much may be uploaded is the server's to say: NGINX would refuse more than 1 MiB.
            "nginx.org/client-max-body-size": "0",
            "gethomepage.dev/enabled": "true",
            "gethomepage.dev/name": service.name.capitalize(),
            "gethomepage.dev/group": hosts.group(service.host, self._args.domain),
            "gethomepage.dev/icon": f"{service.name}.png",
            "gethomepage.dev/external": "true",
            "gethomepage.dev/href": hosts.url(service.host, self._args.published),
            **hosts.redirect(self._args.published),
        }
        policies: list[pulumi.Input[str]] = [self._args.sign_in] if service.sso else []
        if service.scheme == "https":
            annotations["nginx.org/ssl-services"] = service.name
            if service.verify and service.ca_certificate is not None:
                policies.append(self._verification(service, service.ca_certificate))
        if policies:
            annotations["nginx.org/policies"] = pulumi.Output.all(*policies).apply(",".join)
        networking.v1.Ingress(
            service.name,
            metadata=self._metadata(service, annotations),
            spec=networking.v1.IngressSpecArgs(
                ingress_class_name=self._args.ingress_class,
                tls=[networking.v1.IngressTLSArgs(hosts=[service.host], secret_name=self._tls_secret(service.host))],
                rules=[networking.v1.IngressRuleArgs(host=service.host, http=_everything_to(service))],
            ),
            opts=self._child,
        )

    def _backend(self, service: ExternalService) -> None:
        port = core.v1.ServicePortArgs(name=service.scheme, port=service.port)
        core.v1.Service(
            service.name,
            metadata=self._metadata(service),
            spec=core.v1.ServiceSpecArgs(ports=[port]),
            opts=self._child,
        )
        discovery.v1.EndpointSlice(
            service.name,
            metadata=self._metadata(service, labels={"kubernetes.io/service-name": service.name}),
            address_type="IPv4",
            ports=[discovery.v1.EndpointPortArgs(name=service.scheme, port=service.port)],
            endpoints=[
                discovery.v1.EndpointArgs(
                    addresses=[str(service.address)], conditions=discovery.v1.EndpointConditionsArgs(ready=True)
                )
            ],
            opts=self._child,
        )

    def _verification(self, service: ExternalService, certificate: str) -> pulumi.Output[str]:
        """A policy that checks the server's certificate. Gives its name."""
        authority = core.v1.Secret(
            f"{service.name}-ca",
            type="nginx.org/ca",
            metadata=meta.v1.ObjectMetaArgs(name=f"{service.name}-ca", namespace=self._args.namespace),
            string_data={"ca.crt": certificate},
            opts=self._child,
        )
        policy = apiextensions.CustomResource(
            f"{service.name}-verify",
            api_version="k8s.nginx.org/v1",
            kind="Policy",
            metadata=meta.v1.ObjectMetaArgs(name=f"{service.name}-verify", namespace=self._args.namespace),
            spec={
                "ingressClassName": self._args.ingress_class,
                "egressMTLS": {
                    "verifyServer": True,
                    "verifyDepth": 3,
                    "trustedCertSecret": authority.metadata.name,
                    "serverName": True,
                    "sslName": service.host,
                    "protocols": "TLSv1.2 TLSv1.3",
                },
            },
            opts=self._child,
        )
        return policy.id.apply(lambda _: f"{service.name}-verify")

    def _tls_secret(self, host: str) -> pulumi.Input[str] | None:
        # A certificate covers its zone's apex and the names directly below it.
        zones = (host, host.partition(".")[2])
        return next((self._args.tls_secrets[zone] for zone in zones if zone in self._args.tls_secrets), None)

    def _metadata(
        self,
        service: ExternalService,
        annotations: dict[str, pulumi.Input[str]] | None = None,
        labels: dict[str, pulumi.Input[str]] | None = None,
    ) -> meta.v1.ObjectMetaArgs:
        return meta.v1.ObjectMetaArgs(
            name=service.name, namespace=self._args.namespace, annotations=annotations, labels=labels
        )


def _everything_to(service: ExternalService) -> networking.v1.HTTPIngressRuleValueArgs:
    backend = networking.v1.IngressServiceBackendArgs(
        name=service.name, port=networking.v1.ServiceBackendPortArgs(number=service.port)
    )
    path = networking.v1.HTTPIngressPathArgs(
        path="/", path_type="Prefix", backend=networking.v1.IngressBackendArgs(service=backend)
    )
    return networking.v1.HTTPIngressRuleValueArgs(paths=[path])
