"""The tls plugin, judged by ssh-keygen and by the certificates themselves."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.plugins.base import Call, Props, ResourceError
from lab.plugins.tls.certificates import LocallySignedCert, SelfSignedCert
from lab.plugins.tls.keys import PrivateKey, get_public_key
from lab.plugins.tls.request import CertRequest

DAY = 24


def private_key(call: Call, **inputs: object) -> Props:
    return PrivateKey().create({"algorithm": "ECDSA", "ecdsaCurve": "P256", **inputs}, call)[1]


def authority(call: Call) -> tuple[str, Props]:
    """Key and outputs of a certificate authority."""
    key = private_key(call)["privateKeyPem"]
    inputs = {
        "privateKeyPem": key,
        "subject": {"commonName": "CA", "organization": "OSS", "country": "FR"},
        "isCaCertificate": True,
        "validityPeriodHours": 10 * DAY,
        "allowedUses": ["cert_signing", "crl_signing"],
    }
    return key, SelfSignedCert().create(inputs, call)[1]


def test_authority(call: Call) -> None:
    _, outputs = authority(call)
    certificate = x509.load_pem_x509_certificate(outputs["certPem"].encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=CA,O=OSS,C=FR"
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        True, None
    )
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert outputs["keyAlgorithm"] == "ECDSA"
    assert outputs["maxPathLength"] == -1


@pytest.mark.parametrize(
    ("inputs", "head"),
    [
        ({"algorithm": "ED25519"}, "PRIVATE KEY"),
        ({"algorithm": "RSA", "rsaBits": 2048}, "RSA PRIVATE KEY"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P384"}, "EC PRIVATE KEY"),
    ],
)
def test_keys_as_openssh_sees_them(inputs: Props, head: str, call: Call, tmp_path: Path) -> None:
    name, outputs = PrivateKey().create(inputs, call)
    assert outputs["privateKeyPem"].startswith(f"-----BEGIN {head}-----")
    assert outputs["privateKeyPemPkcs8"].startswith("-----BEGIN PRIVATE KEY-----")
    assert len(name) == 40
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(outputs["privateKeyOpenssh"])

    def keygen(*options: str) -> str:
        return subprocess.run(["ssh-keygen", *options, "-f", file], capture_output=True, text=True, check=True).stdout

    assert keygen("-y").split()[:2] == outputs["publicKeyOpenssh"].split()
    assert outputs["publicKeyFingerprintSha256"] in keygen("-l")
    assert outputs["publicKeyFingerprintMd5"] in keygen("-l", "-E", "md5")


def test_curve_that_openssh_does_not_know(call: Call) -> None:
    outputs = PrivateKey().create({"algorithm": "ECDSA"}, call)[1]
    assert outputs["ecdsaCurve"] == "P224"
    assert outputs["privateKeyOpenssh"] == outputs["publicKeyOpenssh"] == outputs["publicKeyFingerprintSha256"] == ""


def test_explicit_defaults_change_nothing_and_changes_replace(call: Call) -> None:
    old = {"algorithm": "RSA"}
    assert not PrivateKey().diff(old, {}, {"algorithm": "RSA", "rsaBits": 2048}, call).changes
    assert PrivateKey().diff(old, {}, {"algorithm": "RSA", "rsaBits": 4096}, call).changes["rsaBits"].replace


def test_public_key_of_a_private_one(call: Call) -> None:
    key = private_key(call)
    for name in ("privateKeyPem", "privateKeyOpenssh"):
        assert get_public_key({name: key[name]}, call)["publicKeyOpenssh"] == key["publicKeyOpenssh"]
    with pytest.raises(ResourceError, match="either"):
        get_public_key({}, call)


def test_certificate_for_a_request(call: Call) -> None:
    ca_key, ca = authority(call)
    names = {"dnsNames": ["dns.ef-fr.dev"], "ipAddresses": ["127.0.0.1"], "uris": ["https://ef-fr.dev/"]}
    request = CertRequest().create(
        {"privateKeyPem": private_key(call)["privateKeyPem"], "subject": {"commonName": "dns"}, **names}, call
    )[1]
    inputs = {
        "caCertPem": ca["certPem"],
        "caPrivateKeyPem": ca_key,
        "certRequestPem": request["certRequestPem"],
        "validityPeriodHours": DAY,
        "allowedUses": ["digital_signature", "server_auth"],
    }
    name, outputs = LocallySignedCert().create(inputs, call)
    issuer = x509.load_pem_x509_certificate(ca["certPem"].encode())
    certificate = x509.load_pem_x509_certificate(outputs["certPem"].encode())
    certificate.verify_directly_issued_by(issuer)
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["dns.ef-fr.dev"]
    assert alternative.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority_id.key_identifier == own.digest
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "dns"
    assert name == str(certificate.serial_number)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(hours=DAY)


def test_the_key_must_be_the_authoritys(call: Call) -> None:
    _, ca = authority(call)
    request = CertRequest().create({"privateKeyPem": private_key(call)["privateKeyPem"]}, call)[1]
    inputs = {
        "caCertPem": ca["certPem"],
        "caPrivateKeyPem": private_key(call)["privateKeyPem"],
        "certRequestPem": request["certRequestPem"],
        "validityPeriodHours": 1,
        "allowedUses": [],
    }
    with pytest.raises(ResourceError, match="caPrivateKeyPem is not the key of caCertPem"):
        LocallySignedCert().create(inputs, call)


def test_renewal(call: Call) -> None:
    inputs = {
        "privateKeyPem": private_key(call, algorithm="ED25519")["privateKeyPem"],
        "subject": {"commonName": "x"},
        "validityPeriodHours": 2 * DAY,
        "earlyRenewalHours": DAY,
        "allowedUses": [],
    }
    kind = SelfSignedCert()
    name, outputs = kind.create(inputs, call)
    assert not kind.diff(inputs, outputs, inputs, call).changes
    late = {**outputs, "validityEndTime": (datetime.now(UTC) + timedelta(hours=DAY - 1)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert kind.read(name, inputs, late, call)[2]["readyForRenewal"] is True
    assert kind.diff(inputs, late, inputs, call).changes["readyForRenewal"].replace


def test_only_early_renewal_changes_in_place(call: Call) -> None:
    key, outputs = authority(call)
    old = {"privateKeyPem": key, "validityPeriodHours": 10 * DAY, "allowedUses": []}
    changes = (
        SelfSignedCert()
        .diff(old, outputs, {**old, "earlyRenewalHours": 1, "allowedUses": ["any_extended"]}, call)
        .changes
    )
    assert {path: change.replace for path, change in changes.items()} == {
        "allowedUses[0]": True,
        "earlyRenewalHours": False,
    }
    assert SelfSignedCert().update("1", outputs, old, {**old, "earlyRenewalHours": 1}, call)["earlyRenewalHours"] == 1


def test_import_is_refused_as_officially(call: Call) -> None:
    with pytest.raises(ResourceError, match="tls:index/privateKey:PrivateKey cannot be imported"):
        PrivateKey().read("x", {}, {}, call)


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"allowedUses": ["fishing"]}, "allowedUses[0]"),
        ({"validityPeriodHours": -1}, "validityPeriodHours"),
        ({"subject": {"color": "red"}}, "subject.color"),
        ({"ipAddresses": ["here"]}, "ipAddresses[0]"),
    ],
)
def test_refusals(inputs: Props, where: str, call: Call) -> None:
    valid = {"privateKeyPem": "k", "validityPeriodHours": 1, "allowedUses": []}
    assert [failure.property for failure in SelfSignedCert().check({**valid, **inputs}, None, call)[1]] == [where]


def test_a_bad_key_is_named_and_not_shown(call: Call) -> None:
    with pytest.raises(ResourceError, match="privateKeyPem is no unencrypted private key") as caught:
        CertRequest().create({"privateKeyPem": "hunter2"}, call)
    assert "hunter2" not in str(caught.value)


def test_pem_is_readable(call: Call) -> None:
    assert load_pem_private_key(private_key(call)["privateKeyPem"].encode(), None)
