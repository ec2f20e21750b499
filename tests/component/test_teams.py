"""What the platform declares for another team."""

from __future__ import annotations

import base64
from typing import Any

import pulumi
import pytest

from components.socle.tls_secrets import TlsCertificate
from components.teams import Teams, TeamsArgs
from settings import Team
from tests.component.mocks import Agreeing

MAIL = Team(name="mail", role="edit", certificates=("ef-fr.dev",))
DOCS = Team(name="docs", role="view", pod_security="baseline")


class Mocks(Agreeing):
    def __init__(self) -> None:
        self.made: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        outputs: dict[str, Any] = {}
        if args.inputs.get("type") == "kubernetes.io/service-account-token":
            outputs = {"data": {"ca.crt": "Q0E=", "token": base64.b64encode(b"a.b.c").decode()}}
        return args.name, {**args.inputs, **outputs}

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        """Name -> inputs of the resources of a type."""
        return {made.name: made.inputs for made in self.made if made.typ == type_}


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks)
    return mocks


def make(*teams: Team, zones: tuple[str, ...] = ("ef-fr.dev", "ef-fr.io")) -> Teams:
    certificates = {zone: TlsCertificate(f"chain of {zone}", "key") for zone in zones}
    args = TeamsArgs("paris", teams or (MAIL, DOCS), "https://10.0.0.2:6443", certificates, protection=True)
    return Teams("teams", args)


@pulumi.runtime.test
def test_a_team_has_its_role_in_its_namespace_and_nowhere_else(mocks: Mocks) -> pulumi.Output[None]:
    def check(_: object) -> None:
        namespaces = mocks.of("kubernetes:core/v1:Namespace")
        levels = {
            name: made["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for name, made in namespaces.items()
        }
        assert levels == {"mail": "restricted", "docs": "baseline"}
        bindings = mocks.of("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding")
        assert {name: made["roleRef"]["name"] for name, made in bindings.items()} == {"mail": "edit", "docs": "view"}
        assert bindings["mail"]["metadata"]["namespace"] == "mail"
        assert bindings["mail"]["subjects"] == [{"kind": "ServiceAccount", "name": "mail", "namespace": "mail"}]
        everywhere = mocks.of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding")
        assert {made["roleRef"]["name"] for made in everywhere.values()} == {"team-classes"}
        (role,) = mocks.of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole").values()
        assert [rule["resources"] for rule in role["rules"]] == [["storageclasses"], ["ingressclasses"]]
        assert all(rule["verbs"] == ["get", "list"] for rule in role["rules"])

    return pulumi.Output.all(**make().kubeconfigs).apply(check)


@pulumi.runtime.test
def test_a_team_gets_copies_of_the_certificates_it_names(mocks: Mocks) -> pulumi.Output[None]:
    def check(references: list[dict[str, str]]) -> None:
        assert references == [{"ef-fr.dev": "mail/ef-fr-dev-tls"}, {}]

    return pulumi.Output.all(*[copy.references for copy in make().tls]).apply(check)


@pulumi.runtime.test
def test_copies_of_two_teams_never_share_a_name(mocks: Mocks) -> pulumi.Output[None]:
    def check(_: object) -> None:
        assert len([made for made in mocks.made if made.inputs.get("type") == "kubernetes.io/tls"]) == 2
        assert len({made.name for made in mocks.made if made.inputs.get("type") == "kubernetes.io/tls"}) == 2

    zones = ("mail.ef-fr.dev", "ef-fr.dev")
    teams = [
        Team(name="web", role="edit", certificates=zones[:1]),
        Team(name="web-mail", role="edit", certificates=zones[1:]),
    ]
    return pulumi.Output.all(*[copy.references for copy in make(*teams, zones=zones).tls]).apply(check)


@pulumi.runtime.test
def test_a_kubeconfig_stays_a_secret(mocks: Mocks) -> pulumi.Output[None]:
    async def check() -> None:
        for kubeconfig in make().kubeconfigs.values():
            assert await kubeconfig.is_secret()
            assert "token: a.b.c" in str(await kubeconfig.future())

    return pulumi.Output.from_input(check())
