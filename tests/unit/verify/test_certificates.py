"""Certificates that are good, and each way in which one is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.verify.conftest import MakeStack
from tests.unit.verify.pki import Ca
from verify.certificates import Trust, TrustError, check_chain, issued
from verify.checks import CheckFailed, run_all

ZONE = "ef-fr.dev"
NAMES = (ZONE, f"*.{ZONE}")


def test_a_good_chain(ca: Ca, trust: Trust) -> None:
    found = check_chain(ca.issue(NAMES).chain, ZONE, trust)
    assert found == "apex and wildcard, 90 days left, from Test Intermediate"


@pytest.mark.parametrize(
    ("pem", "reasons"),
    [
        (lambda ca: ca.issue(NAMES, days=14).chain, ["only 14 days left, fewer than 15: renew it with `pulumi up`"]),
        (lambda ca: ca.issue(NAMES, days=-3).chain, ["expired on ", "does not verify against the trust roots"]),
        (lambda ca: ca.issue([ZONE]).chain, ["does not cover *.ef-fr.dev"]),
        (lambda ca: ca.issue([f"*.{ZONE}"]).chain, ["does not cover ef-fr.dev"]),
        (lambda ca: ca.issue(["other.example"], days=3).chain, ["cover ef-fr.dev", "cover *.ef-fr.dev", "3 days left"]),
        (lambda ca: ca.issue(NAMES).certificate, ["does not verify against the trust roots"]),
        (lambda _: Ca("Other").issue(NAMES).chain, ["issued by Other Intermediate, does not verify against"]),
        (lambda _: "", ["it holds no certificates in PEM form"]),
        (lambda _: "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n", ["in PEM form"]),
    ],
    ids=["soon", "expired", "no-wildcard", "no-apex", "other", "no-intermediate", "unknown-root", "empty", "garbage"],
)
def test_a_bad_chain(ca: Ca, trust: Trust, pem: Callable[[Ca], str], reasons: list[str]) -> None:
    with pytest.raises(CheckFailed) as failure:
        check_chain(pem(ca), ZONE, trust)
    problems = str(failure.value).split("; ")
    assert len(problems) == len(reasons)
    for reason in reasons:
        assert any(reason in problem for problem in problems), problems


def test_every_zone_needs_one(stack: MakeStack, ca: Ca, trust: Trust) -> None:
    certificates = {ZONE: {"chain": ca.issue(NAMES).chain, "notAfter": "2027-01-01T00:00:00Z"}}
    results = run_all(issued(stack({"domains": [ZONE, "ef-fr.io"], "certificates": certificates}), trust))
    assert [(result.target, result.passed) for result in results] == [(ZONE, True), ("ef-fr.io", False)]
    assert results[1].reason == "the output certificates has none for this zone"


def test_roots_come_from_the_environment_too(ca: Ca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bundle.pem"
    file.write_text(ca.root)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    check_chain(ca.issue(NAMES).chain, ZONE, Trust())


def test_roots_may_be_a_folder(ca: Ca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0a1b2c3d.0").write_text(ca.root)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    check_chain(ca.issue(NAMES).chain, ZONE, Trust())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_roots_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TrustError, match=r"roots\.pem: not a PEM file of certificates"):
        Trust(file)


def test_no_roots_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(TrustError, match="this machine trusts no root"):
        Trust()
