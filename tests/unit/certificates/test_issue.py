"""Certificates from a real Pebble, validated at a real PowerDNS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store

from components.certificates import keys
from components.certificates.dns01 import Dns01
from components.certificates.session import AcmeError
from lab.authority import Authority
from tests.unit.certificates.inputs import CERTIFICATES, certificate, issue, register
from tests.unit.certificates.servers import Pebble, pebble, worker_host
from tests.unit.powerdns.server import Server


def root(acme: Pebble, number: int = 0) -> x509.Certificate:
    return x509.load_pem_x509_certificate(acme.manage(f"/roots/{number}").content)


def test_a_certificate_for_apex_and_wildcard(powerdns: Server, acme: Pebble, registered: dict[str, Any]) -> None:
    outputs = issue(certificate(powerdns, registered, "*.EF-fr.dev.", "ef-fr.dev"))
    leaf = keys.Certificate(outputs["certificatePem"]).leaf
    chain = x509.load_pem_x509_certificates(outputs["chainPem"].encode())
    verifier = PolicyBuilder().store(Store([root(acme)]))
    for host in ("ef-fr.dev", "home.ef-fr.dev"):
        verifier.build_server_verifier(x509.DNSName(host)).verify(leaf, chain)
    assert leaf.public_key() == keys.load(outputs["privateKeyPem"]).public_key()
    assert outputs["names"] == ["ef-fr.dev", "*.ef-fr.dev"]
    assert int(outputs["serial"], 16) == leaf.serial_number
    assert outputs["notBefore"] < outputs["renewalWindowStart"] < outputs["renewalWindowEnd"] < outputs["notAfter"]
    assert not CERTIFICATES.diff(
        "", outputs, CERTIFICATES.check(outputs, certificate(powerdns, registered)).inputs
    ).changes


def test_names_of_several_zones_in_one_order(powerdns: Server, registered: dict[str, Any]) -> None:
    names = ["mail.ef-fr.io", "ef-fr.io", "a.b.ef-fr.dev", "*.ef-fr.dev"]
    outputs = issue(certificate(powerdns, registered, *names))
    assert outputs["names"] == ["*.ef-fr.dev", "a.b.ef-fr.dev", "ef-fr.io", "mail.ef-fr.io"]


@pytest.mark.parametrize(
    ("kind", "type_", "size"), [("EC384", ec.EllipticCurvePublicKey, 384), ("RSA2048", rsa.RSAPublicKey, 2048)]
)
def test_kinds_of_keys(powerdns: Server, registered: dict[str, Any], kind: str, type_: type, size: int) -> None:
    outputs = issue(certificate(powerdns, registered, keyType=kind))
    key = keys.Certificate(outputs["certificatePem"]).leaf.public_key()
    assert isinstance(key, type_)
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    assert key.key_size == size


def test_a_preferred_chain(
    powerdns: Server, acme: Pebble, registered: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1):
        [name] = root(acme, number).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        outputs = issue(certificate(powerdns, registered, preferredChain=name.value))
        assert keys.Certificate(outputs["certificatePem"] + outputs["chainPem"]).issuers[-1] == name.value
    assert not capsys.readouterr().err
    issue(certificate(powerdns, registered, preferredChain="ISRG Root X1"))
    assert "no chain leads to 'ISRG Root X1'" in capsys.readouterr().err


def test_a_profile(powerdns: Server, registered: dict[str, Any]) -> None:
    outputs = issue(certificate(powerdns, registered, profile="shortlived"))
    found = keys.Certificate(outputs["certificatePem"])
    assert (found.not_after - found.not_before).days in (5, 6)
    assert not CERTIFICATES.diff("", outputs, outputs).changes
    with pytest.raises(AcmeError, match="has no profile 'long': one of default, shortlived"):
        issue(certificate(powerdns, registered, profile="long"))


def test_two_certificates_of_one_name_at_the_same_time(powerdns: Server, registered: dict[str, Any]) -> None:
    powerdns.set("ef-fr.dev.", "_acme-challenge.ef-fr.dev.", "TXT", '"of somebody else"', ttl=77)
    kinds = ("EC256", "EC384", "RSA2048")
    inputs = [certificate(powerdns, registered, keyType=kind, owner=f"tiny.dev.{kind}") for kind in kinds]
    with ThreadPoolExecutor(3) as pool:
        serials = {outputs["serial"] for outputs in pool.map(issue, inputs)}
    assert len(serials) == 3
    [rrset] = powerdns.query("_acme-challenge.ef-fr.dev", "TXT")
    assert (rrset.ttl, [rdata.to_text() for rdata in rrset]) == (77, ['"of somebody else"'])
    powerdns.set("ef-fr.dev.", "_acme-challenge.ef-fr.dev.", "TXT")


def test_a_certificate_that_is_alike_does_not_disturb(
    powerdns: Server, registered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another resource with the same names, key type and profile goes all its way while the records are there."""
    others, wait = [certificate(powerdns, registered, owner="tiny.dev.other")], Dns01._wait

    def wait_for_the_other(*arguments: Any) -> None:
        wait(*arguments)
        if others:
            assert issue(others.pop())["serial"]

    monkeypatch.setattr(Dns01, "_wait", wait_for_the_other)
    assert issue(certificate(powerdns, registered, owner="tiny.dev.one"))["serial"]
    assert not others


def test_the_reason_of_the_ca(powerdns: Server, registered: dict[str, Any]) -> None:
    """A name that it does not certify."""
    powerdns.call("POST", "/zones", {"name": "blocked.dev.", "kind": "Native", "nameservers": ["ns1.ef-fr.dev."]})
    with pytest.raises(AcmeError, match=r"order for blocked\.dev: .*forbidden by policy.* \(rejectedIdentifier\)"):
        issue(certificate(powerdns, registered, "blocked.dev"))


def test_an_account_that_the_ca_has_forgotten(powerdns: Server, acme: Pebble, registered: dict[str, Any]) -> None:
    stranger = {**registered, "key": keys.generate(keys.ACCOUNT_KIND), "url": registered["url"] + "0"}
    with pytest.raises(AcmeError, match="Run `pulumi refresh`"):
        issue(certificate(powerdns, stranger))


def test_revocation_is_a_choice(powerdns: Server, acme: Pebble, registered: dict[str, Any]) -> None:
    kept, revoked = (issue(certificate(powerdns, registered, revokeOnDestroy=choice)) for choice in (False, True))
    for outputs in (kept, revoked, revoked):
        CERTIFICATES.delete("", outputs)
    assert [acme.status(outputs["serial"]) for outputs in (kept, revoked)] == ["Valid", "Revoked"]


def test_an_expired_certificate_is_not_revoked(powerdns: Server, acme: Pebble, registered: dict[str, Any]) -> None:
    """Let's Encrypt refuses it: the resource could never be destroyed."""
    outputs = issue(certificate(powerdns, registered, revokeOnDestroy=True))
    CERTIFICATES.delete("", {**outputs, "notAfter": "2026-01-01T00:00:00Z"})
    assert acme.status(outputs["serial"]) == "Valid"


def test_a_ca_that_takes_its_time_and_refuses_nonces(powerdns: Server, acme: Pebble, tmp_path: Path) -> None:
    bad_day = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2", "PEBBLE_WFE_NONCEREJECT": "50"}
    authority = Authority(acme.bundle.parent)
    with pebble(tmp_path, worker_host(3), powerdns, authority=authority, environment=bad_day) as server:
        assert issue(certificate(powerdns, register(server), "ef-fr.dev", "*.ef-fr.dev", "ef-fr.io"))["serial"]
