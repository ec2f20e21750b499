"""`Teams`: a namespace, rights in it and a kubeconfig for each team that runs applications on the cluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import yaml
from pulumi_kubernetes import core, meta, rbac

from components import workload
from components.socle.tls_secrets import TlsCertificate, TlsSecrets, TlsSecretsArgs
from settings import Team


@dataclass(frozen=True)
class TeamsArgs:
    """Which teams, on which cluster."""

    site: str
    teams: Sequence[Team]
    api_server: pulumi.Input[str]
    """URL."""
    certificates: Mapping[str, TlsCertificate]
    """By zone, for the teams that get a copy."""
    protection: bool
    """Pulumi's `protect`: a deleted namespace takes all that its team has in it."""


class Teams(pulumi.ComponentResource):
    """What the platform gives to other teams.

    A team's kubeconfig holds a token of its service account. Deleting the Secret `<team>-token` ends it, and the
    next `up` makes another.
    """

    kubeconfigs: dict[str, pulumi.Output[str]]
    """By team, secret (YAML)."""
    tls: list[TlsSecrets]
    """The certificates that were copied."""

    def __init__(self, name: str, args: TeamsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:teams:Teams", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        self.kubeconfigs, self.tls = {}, []
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        classes = self._classes() if args.teams else ""
        for team in args.teams:
            namespace = workload.namespace(team.name, team.pod_security, kept)
            self.kubeconfigs[team.name] = self._kubeconfig(team, namespace, classes)
            copied = {zone: args.certificates[zone] for zone in team.certificates}
            self.tls.append(TlsSecrets(f"{team.name}-tls", TlsSecretsArgs(copied, team.name, namespace), self._child))
        self.register_outputs({})

    def _classes(self) -> pulumi.Output[str]:
        """A role to read the classes that claims and Ingresses name: what waits for a claim looks at its class."""
        rules = [
            rbac.v1.PolicyRuleArgs(api_groups=[group], resources=[resource], verbs=["get", "list"])
            for group, resource in (("storage.k8s.io", "storageclasses"), ("networking.k8s.io", "ingressclasses"))
        ]
        role = rbac.v1.ClusterRole(
            "classes", metadata=meta.v1.ObjectMetaArgs(name="team-classes"), rules=rules, opts=self._child
        )
        name: pulumi.Output[str] = role.metadata.name
        return name

    def _kubeconfig(self, team: Team, namespace: pulumi.Output[str], classes: pulumi.Input[str]) -> pulumi.Output[str]:
        here = meta.v1.ObjectMetaArgs(name=team.name, namespace=namespace)
        account = core.v1.ServiceAccount(
            team.name, metadata=here, automount_service_account_token=False, opts=self._child
        )
        subject = rbac.v1.SubjectArgs(kind="ServiceAccount", name=account.metadata.name, namespace=namespace)
        bound = rbac.v1.RoleBinding(
            team.name,
            metadata=here,
            role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=team.role),
            subjects=[subject],
            opts=self._child,
        )
        reads = rbac.v1.ClusterRoleBinding(
            f"{team.name}-classes",
            metadata=meta.v1.ObjectMetaArgs(name=f"{team.name}-classes"),
            role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=classes),
            subjects=[subject],
            opts=self._child,
        )
        # https://kubernetes.io/docs/concepts/security/service-accounts/#get-a-token: a token that no pod holds, for
        # programs outside of the cluster.
        token = core.v1.Secret(
            f"{team.name}-token",
            type="kubernetes.io/service-account-token",
            metadata=meta.v1.ObjectMetaArgs(
                name=f"{team.name}-token",
                namespace=namespace,
                annotations={"kubernetes.io/service-account.name": account.metadata.name},
            ),
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["data"]),
        )
        known = pulumi.Output.all(self._args.api_server, token.data, bound.id, reads.id)
        return pulumi.Output.secret(
            known.apply(lambda values: kubeconfig(self._args.site, team.name, values[0], values[1]))
        )


def kubeconfig(site: str, team: str, server: str, token: Mapping[str, str]) -> str:
    """A kubeconfig for a service account.

    Args:
        site: Name of the cluster in it.
        team: Namespace, and name of the user.
        server: URL of the API server.
        token: Data of the account's token Secret, base64: `token` and `ca.crt`.
    """
    cluster = {"server": server, "certificate-authority-data": token["ca.crt"]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": site, "cluster": cluster}],
        "users": [{"name": team, "user": {"token": base64.b64decode(token["token"]).decode()}}],
        "contexts": [{"name": site, "context": {"cluster": site, "namespace": team, "user": team}}],
        "current-context": site,
    }
    return yaml.safe_dump(config, sort_keys=False)
