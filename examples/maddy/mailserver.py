"""`MailServer`: Maddy with its volume, its passwords and its address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_random as random
import pulumi_tls as tls
from pulumi_kubernetes import apps, core, meta, networking
from records import SELECTOR, dkim_record, mail_host

IMAGE = "docker.io/foxcpp/maddy:0.8.1"
UID = 1000
CONFIGURATION = Path(__file__).with_name("maddy.conf")
PORTS = {
    "smtp": (25, 2525),
    "submissions": (465, 4650),
    "submission": (587, 5870),
    "imap": (143, 1430),
    "imaps": (993, 9930),
}
"""Name -> port of the Service, port of the container."""


@dataclass(frozen=True)
class MailServerArgs:
    """Inputs of the mail server."""

    namespace: str
    domain: str
    address: str
    """One that MetalLB gives to the Service."""
    storage_class: pulumi.Input[str]
    tls_secret: pulumi.Input[str]
    """Secret in the namespace with a certificate for `mail.<domain>`."""


class MailServer(pulumi.ComponentResource):
    """One Maddy, for one domain."""

    host: str
    dkim_record: pulumi.Output[str]
    """Value of the TXT record that the domain publishes."""
    password: pulumi.Output[str]
    """The postmaster's, secret."""

    def __init__(self, name: str, args: MailServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maddy:index:MailServer", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self.host = mail_host(args.domain)
        key = tls.PrivateKey(f"{name}-dkim", algorithm="RSA", rsa_bits=2048, opts=self._child)
        self.dkim_record = key.public_key_pem.apply(dkim_record)
        account = random.RandomPassword(f"{name}-postmaster", length=32, special=False, opts=self._child)
        self.password = account.result
        secrets = {
            # Maddy reads `user: algorithm:hash`.
            "accounts": pulumi.Output.concat("postmaster@", args.domain, ": bcrypt:", account.bcrypt_hash, "\n"),
            "dkim.key": key.private_key_pem_pkcs8,
        }
        secret = core.v1.Secret(name, metadata=self._metadata(), string_data=secrets, opts=self._child)
        configuration = core.v1.ConfigMap(
            name, metadata=self._metadata(), data={CONFIGURATION.name: CONFIGURATION.read_text()}, opts=self._child
        )
        self._server(secret.metadata.name, configuration.metadata.name)
        self._service()
        self._dashboard()
        self.register_outputs({"host": self.host})

    def _metadata(self, annotations: dict[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        return meta.v1.ObjectMetaArgs(
            name=self._name, namespace=self._args.namespace, labels=self._labels, annotations=annotations
        )

    @property
    def _labels(self) -> dict[str, str]:
        return {"app.kubernetes.io/name": self._name}

    def _server(self, secret: pulumi.Input[str], configuration: pulumi.Input[str]) -> None:
        claim = core.v1.PersistentVolumeClaim(
            f"{self._name}-data",
            metadata=meta.v1.ObjectMetaArgs(name=f"{self._name}-data", namespace=self._args.namespace),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=self._args.storage_class,
                resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": "20Gi"}),
            ),
            opts=self._child,
        )
        volumes = {
            "data": {"persistentVolumeClaim": {"claimName": claim.metadata.name}},
            "configuration": {"configMap": {"name": configuration}},
            "secrets": {"secret": {"secretName": secret, "defaultMode": 0o440}},
            "tls": {"secret": {"secretName": self._args.tls_secret, "defaultMode": 0o440}},
            "run": {"emptyDir": {}},
        }
        pod = {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container()],
            "volumes": [{"name": volume, **source} for volume, source in volumes.items()],
        }
        apps.v1.StatefulSet(
            self._name,
            metadata=self._metadata(),
            spec={
                "replicas": 1,
                "serviceName": self._name,
                "selector": {"matchLabels": self._labels},
                "template": {"metadata": {"labels": self._labels}, "spec": pod},
            },
            opts=self._child,
        )

    def _container(self) -> dict[str, object]:
        environment = {"MADDY_DOMAIN": self._args.domain, "MADDY_HOSTNAME": self.host, "DKIM_SELECTOR": SELECTOR}
        mounts = {
            "data": "/data",
            "configuration": "/etc/maddy",
            "secrets": "/run/secrets/maddy",
            "tls": "/run/secrets/tls",
            "run": "/run/maddy",
        }
        answers = {"tcpSocket": {"port": "imaps"}, "periodSeconds": 10}
        return {
            "name": "maddy",
            "image": IMAGE,
            "command": ["/bin/maddy"],
            "args": ["-config", f"/etc/maddy/{CONFIGURATION.name}", "run"],
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "ports": [{"name": port, "containerPort": inside} for port, (_, inside) in PORTS.items()],
            "readinessProbe": answers,
            "livenessProbe": {**answers, "failureThreshold": 6},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
        }

    def _service(self) -> None:
        core.v1.Service(
            self._name,
            # https://metallb.io/usage/#requesting-specific-ips
            metadata=self._metadata({"metallb.io/loadBalancerIPs": self._args.address}),
            spec=core.v1.ServiceSpecArgs(
                type="LoadBalancer",
                # SPF and the rate limits need the sender's own address.
                external_traffic_policy="Local",
                selector=self._labels,
                ports=[
                    core.v1.ServicePortArgs(name=port, port=outside, target_port=port)
                    for port, (outside, _) in PORTS.items()
                ],
            ),
            opts=self._child,
        )

    def _dashboard(self) -> None:
        """Homepage reads Ingresses only. One of no class is served by nobody, and found all the same."""
        networking.v1.Ingress(
            self._name,
            metadata=self._metadata(
                {
                    "gethomepage.dev/enabled": "true",
                    "gethomepage.dev/name": "Mail",
                    "gethomepage.dev/description": f"IMAP and submission on {self.host}",
                    "gethomepage.dev/group": "OSS",
                    "gethomepage.dev/icon": "maddy.png",
                    "gethomepage.dev/href": f"mailto:postmaster@{self._args.domain}",
                    # There is no controller that would give it an address.
                    "pulumi.com/skipAwait": "true",
                }
            ),
            spec=networking.v1.IngressSpecArgs(rules=[networking.v1.IngressRuleArgs(host=self.host)]),
            opts=self._child,
        )
