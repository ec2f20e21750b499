"""The administrator's kubeconfig, fetched anew before its certificate ends."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.kubernetes import kubeconfig, plan, provider
from components.kubernetes.provider import KubesprayClusterProvider
from tests.unit.kubernetes.test_changes import MASTER, STATE, W2, WORKER, cluster

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


def admin(end: datetime, days: float = 365) -> str:
    """A kubeconfig whose certificate lives for so many days, until then."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes-admin")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=days), end)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    user = {"client-certificate-data": base64.b64encode(certificate).decode()}
    return yaml.safe_dump(
        {
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


@pytest.mark.parametrize(
    ("left", "life", "due"),
    [
        (61, 365, False),
        (59, 365, True),
        (-3, 365, True),
        # One that lives for three months is not fetched at every run of its last two.
        (59, 90, False),
        (44, 90, True),
    ],
)
def test_it_is_due_two_months_before_the_end_or_after_half_of_a_short_life(left: int, life: int, due: bool) -> None:
    end = NOW + timedelta(days=left)
    reason = f"the administrator's certificate ends on {end:%Y-%m-%d}"
    assert kubeconfig.renewal(admin(end, life), NOW) == (reason if due else "")


@pytest.mark.parametrize("text", ["", "kept", admin(NOW).replace("client-certificate-data", "token")])
def test_what_holds_no_certificate_is_not_due(text: str) -> None:
    assert kubeconfig.renewal(text, NOW) == ""


ENDS = datetime.now(UTC) + timedelta(days=30)
WHY = f"the administrator's certificate ends on {ENDS:%Y-%m-%d}"
OLD = {**STATE, "kubeconfig": admin(ENDS), "recap": "kept"}


def test_a_preview_says_so_and_the_run_fetches_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran: list[tuple[str, str]] = []

    def run(run: plan.Run, *_: object) -> tuple[str, str]:
        ran.append((run.playbook, run.why))
        return "another", "recap"

    monkeypatch.setattr(provider, "_run", run)
    subject = KubesprayClusterProvider()
    news = subject.check(STATE, cluster()).inputs

    assert subject.diff("paris", OLD, news).changes
    assert f"kubernetes: cluster.yml: {WHY}\n" in capsys.readouterr().err
    outs = subject.update("paris", OLD, news).outs

    assert ran == [("cluster.yml", WHY)]
    assert outs is not None
    assert outs["kubeconfig"] == "another"
    fresh = {**OLD, "kubeconfig": admin(ENDS + timedelta(days=300))}
    assert not subject.diff("paris", fresh, news).changes
    assert capsys.readouterr().err == "recap\n"


@pytest.mark.parametrize(
    ("news", "playbooks"),
    [
        (cluster(nodes=[MASTER, WORKER, W2]), ["scale.yml", "cluster.yml"]),
        # These fetch it by themselves.
        (cluster(version="1.36.0"), ["upgrade-cluster.yml"]),
        (cluster(registryMirror="registry.example"), ["cluster.yml"]),
    ],
)
def test_it_is_fetched_once_in_a_run(news: dict[str, Any], playbooks: list[str]) -> None:
    assert [run.playbook for run in plan.runs(STATE, news, renewal=WHY)] == playbooks
