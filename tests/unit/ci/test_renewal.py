"""A renewal brings about nothing but certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from ci import nouns, renewal
from ci.engine import EngineError, Stack
from ci.renewal import OthersError, Renewal
from ci.scrub import MASK
from tests.unit.ci.steps import step

NAMES = {"names": ["ef-fr.dev"], "renewDays": 30}
DUE = step(
    "update", nouns.CERTIFICATE, "tls", NAMES, {**NAMES, "issued": {}, "renew": "9 days remain", "owner": "p.s.tls"}
)
SECRET_TYPE, RELEASE_TYPE = "kubernetes:core/v1:Secret", "kubernetes:helm.sh/v3:Release"
TSIG_KEY = "pulumi-python:dynamic/powerdns:TsigKey"
SECRET = {"type": "kubernetes.io/tls", "metadata": {"name": "tls", "namespace": "dns"}}
TLS_SECRET = step("update", SECRET_TYPE, "s", SECRET, SECRET)
LATER = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def release(replicas: int, checksums: list[str]) -> dict[str, Any]:
    return {"name": "authentik", "values": {"replicas": replicas, "checksums": checksums}}


FOLLOWING = step("update", RELEASE_TYPE, "authentik", release(1, ["abc", "x"]), release(1, [LATER, "x"]))
CLUSTER = {"site": "paris", "playbook": "cluster.yml: paris-masters-1"}
KUBECONFIG = step("update", nouns.CLUSTER, "kubernetes-kubespray", CLUSTER, CLUSTER)
SERVER = {"caCertPem": "PEM", "caPrivateKeyPem": MASK, "earlyRenewalHours": 8766}
AGED = {
    "kubeconfig paris": KUBECONFIG,
    "internal certificate dns": step("replace", nouns.INTERNAL_CERTIFICATE, "dns", SERVER, SERVER),
}
OTHERS = {
    "cluster paris": step("update", nouns.CLUSTER, "k", CLUSTER, {**CLUSTER, "playbook": "scale.yml: + w-2"}),
    "internal certificate dns": step(
        "replace", nouns.INTERNAL_CERTIFICATE, "dns", SERVER, {**SERVER, "caCertPem": "another"}
    ),
    "VM paris-workers-1": step("create", nouns.VM, "w", None, {"name": "paris-workers-1"}),
    "Secret dns/tls": step("update", SECRET_TYPE, "s", SECRET, {**SECRET, "type": "Opaque"}),
    "release authentik": step("update", RELEASE_TYPE, "authentik", release(1, ["abc", "x"]), release(2, [LATER, "x"])),
    "transfer key zone-transfers": step("update", TSIG_KEY, "zone-transfers", {"key": MASK}, {"key": MASK}),
    "release homepage": step("update", RELEASE_TYPE, "homepage", {"name": "homepage", "values": {}}, {"name": LATER}),
    "certificate ef-fr.io": step("create", nouns.CERTIFICATE, "io", None, {"names": ["ef-fr.io"]}),
    "certificate ef-fr.dev, www.ef-fr.dev": step(
        "update", nouns.CERTIFICATE, "tls", NAMES, {**NAMES, "names": ["ef-fr.dev", "www.ef-fr.dev"]}
    ),
}


@dataclass
class Engine:
    """Answers in the place of a stack."""

    steps: list[dict[str, Any]]
    codes: dict[str, int] = field(default_factory=dict)
    site: str = "paris"
    ran: list[str] = field(default_factory=list)
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def show(self, *arguments: str) -> int:
        self.ran.append(arguments[0])
        self.targets[arguments[0]] = arguments[arguments.index("--target") :]
        return self.codes.get(arguments[0], 0)

    def run(self, *arguments: str) -> tuple[dict[str, Any], int]:
        self.ran.append(arguments[0])
        return {"steps": self.steps}, self.codes.get(arguments[0], 0)


def renew(engine: Engine) -> Renewal:
    return renewal.renew(cast(Stack, engine))


def test_what_is_due_is_renewed_with_what_it_goes_into() -> None:
    engine = Engine([DUE, TLS_SECRET, FOLLOWING])
    assert renew(engine) == Renewal(("ef-fr.dev",), ())
    assert engine.ran == ["refresh", "preview", "up"]
    certificates = ("--target", "**AcmeCertificate**")
    assert engine.targets == {"refresh": certificates, "up": (*certificates, "--target-dependents")}


@pytest.mark.parametrize("name", AGED)
@pytest.mark.parametrize("due", [[], [DUE]])
def test_what_else_is_due_waits_for_a_person_and_holds_nothing_up(name: str, due: list[dict[str, Any]]) -> None:
    assert renew(Engine([*due, AGED[name]])) == Renewal(("ef-fr.dev",) * len(due), (name,))


@pytest.mark.parametrize("steps", [[], [TLS_SECRET, FOLLOWING], [OTHERS["VM paris-workers-1"]]])
def test_nothing_runs_where_nothing_is_due(steps: list[dict[str, Any]]) -> None:
    engine = Engine(steps)
    assert renew(engine) == Renewal((), ())
    assert "up" not in engine.ran


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_that_would_change_more_does_not_run(name: str) -> None:
    engine = Engine([DUE, OTHERS[name]])
    with pytest.raises(OthersError, match="Bring that about first") as raised:
        renew(engine)
    assert f"would also change {name}." in str(raised.value)
    assert "up" not in engine.ran


@pytest.mark.parametrize(
    ("command", "said"),
    [("refresh", "could not be read"), ("preview", "did not say"), ("up", "the renewal of ef-fr.dev failed")],
)
def test_an_engine_that_fails_is_told(command: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        renew(Engine([DUE], {command: 1}))
