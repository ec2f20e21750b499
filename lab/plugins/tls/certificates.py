"""SelfSignedCert and LocallySignedCert."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from lab.plugins.base import UNKNOWN, Call, Change, Diff, Failure, Props, ResourceError, compare
from lab.plugins.tls import keys, names
from lab.plugins.tls.kept import Kept
from lab.plugins.tls.usages import USAGES, extended_key_usage, key_usage

SERIAL_BITS: Final = 128

Value = TypeVar("Value", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Issue:
    """What goes into a certificate besides its options."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    alternative_names: x509.SubjectAlternativeName | None
    issuer: x509.Name
    issuer_key: keys.Key
    issuer_key_id: x509.SubjectKeyIdentifier | None
    """Subject key identifier of the issuer's certificate; None for one that has none and for a self-signed one."""


class Certificate(Kept):
    """A certificate. Made again once it is within `earlyRenewalHours` of its end."""

    required = frozenset({"allowedUses", "validityPeriodHours"})
    defaults: ClassVar[Props] = {
        "earlyRenewalHours": 0,
        "isCaCertificate": False,
        "maxPathLength": -1,
        "setSubjectKeyId": False,
    }
    inputs: ClassVar[Mapping[str, str]] = {
        "allowedUses": "array",
        "earlyRenewalHours": "integer",
        "isCaCertificate": "boolean",
        "maxPathLength": "integer",
        "setSubjectKeyId": "boolean",
        "validityPeriodHours": "integer",
    }
    computed = frozenset({"certPem", "readyForRenewal", "validityEndTime", "validityStartTime"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        for name in ("validityPeriodHours", "earlyRenewalHours"):
            value = inputs.get(name)
            if isinstance(value, int) and value < 0:
                failures.append(Failure(name, f"must be at least 0 hours, not {value}"))
        uses = inputs.get("allowedUses")
        for index, use in enumerate(uses if isinstance(uses, list) else []):
            if use is not UNKNOWN and use not in USAGES:
                failures.append(Failure(f"allowedUses[{index}]", f"{use!r} is none of {', '.join(sorted(USAGES))}"))
        return inputs, failures

    def diff(self, inputs_old: Props, outputs_old: Props, inputs_new: Props, call: Call) -> Diff:
        new = {**self.defaults, **inputs_new}
        changes = compare({**self.defaults, **inputs_old}, new, frozenset(self.inputs) - {"earlyRenewalHours"})
        if _renewable(outputs_old["validityEndTime"], new["earlyRenewalHours"]):
            changes["readyForRenewal"] = Change("update", replace=True)
        return Diff(changes)

    def preview_create(self, inputs: Props, call: Call) -> Props:
        return super().preview_create({**self.defaults, **inputs}, call)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        options = {**self.defaults, **inputs}
        issue, derived = self.issue(options)
        certificate = _sign(issue, options)
        times = {
            "validityStartTime": _rfc3339(certificate.not_valid_before_utc),
            "validityEndTime": _rfc3339(certificate.not_valid_after_utc),
        }
        pem = certificate.public_bytes(Encoding.PEM).decode()
        outputs = {**options, **derived, **times, "certPem": pem, "readyForRenewal": False}
        return str(certificate.serial_number), outputs

    @abstractmethod
    def issue(self, inputs: Props) -> tuple[Issue, Props]:
        """Whom the certificate is for and who signs it, and the outputs that this resource adds."""

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props]:
        id, inputs, outputs = super().read(id, inputs, outputs, call)
        ready = _renewable(outputs["validityEndTime"], outputs["earlyRenewalHours"])
        return id, inputs, {**outputs, "readyForRenewal": ready}

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        """Only `earlyRenewalHours` changes in place."""
        return {**outputs_old, **self.defaults, **inputs_new}

    def preview_update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        return self.update(id, outputs_old, inputs_old, inputs_new, call)


class SelfSignedCert(Certificate):
    """A certificate signed with its own key."""

    token = "tls:index/selfSignedCert:SelfSignedCert"
    required = Certificate.required | {"privateKeyPem"}
    inputs: ClassVar[Mapping[str, str]] = {
        **Certificate.inputs,
        **names.INPUTS,
        "privateKeyPem": "string",
        "setAuthorityKeyId": "boolean",
    }
    defaults: ClassVar[Props] = {**Certificate.defaults, "setAuthorityKeyId": False}
    computed = Certificate.computed | {"keyAlgorithm"}
    secret_outputs = frozenset({"privateKeyPem"})

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        return inputs, failures or names.check(inputs)

    def issue(self, inputs: Props) -> tuple[Issue, Props]:
        key = keys.parse(inputs["privateKeyPem"], "privateKeyPem")
        subject = names.subject(inputs)
        if inputs["isCaCertificate"] and not subject.rdns:
            raise ResourceError("a certificate authority needs a subject (RFC 5280, section 4.1.2.6): set `subject`")
        own_id = None
        if inputs["setAuthorityKeyId"]:
            if not (inputs["setSubjectKeyId"] or inputs["isCaCertificate"]):
                raise ResourceError(
                    "setAuthorityKeyId needs setSubjectKeyId or isCaCertificate on a self-signed certificate"
                )
            own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        alternative = names.alternative_names(inputs)
        issue = Issue(subject, key.public_key(), alternative, subject, key, own_id)
        return issue, {"keyAlgorithm": keys.algorithm(key)}


class LocallySignedCert(Certificate):
    """A certificate for a request, signed with an authority's key."""

    token = "tls:index/locallySignedCert:LocallySignedCert"
    required = Certificate.required | {"caCertPem", "caPrivateKeyPem", "certRequestPem"}
    inputs: ClassVar[Mapping[str, str]] = {
        **Certificate.inputs,
        "caCertPem": "string",
        "caPrivateKeyPem": "string",
        "certRequestPem": "string",
    }
    computed = Certificate.computed | {"caKeyAlgorithm"}
    secret_outputs = frozenset({"caPrivateKeyPem"})

    def issue(self, inputs: Props) -> tuple[Issue, Props]:
        request = _request(inputs["certRequestPem"])
        authority = _certificate(inputs["caCertPem"])
        key = keys.parse(inputs["caPrivateKeyPem"], "caPrivateKeyPem")
        if key.public_key() != authority.public_key():
            raise ResourceError("caPrivateKeyPem is not the key of caCertPem")
        if inputs["isCaCertificate"] and not request.subject.rdns:
            raise ResourceError(
                "a certificate authority needs a subject (RFC 5280, section 4.1.2.6): the request has none"
            )
        issue = Issue(
            subject=request.subject,
            public_key=request.public_key(),
            alternative_names=_extension(request.extensions, x509.SubjectAlternativeName),
            issuer=authority.subject,
            issuer_key=key,
            issuer_key_id=_extension(authority.extensions, x509.SubjectKeyIdentifier),
        )
        return issue, {"caKeyAlgorithm": keys.algorithm(key)}


def _sign(issue: Issue, options: Props) -> x509.Certificate:
    start = datetime.now(UTC).replace(microsecond=0)
    is_ca = bool(options["isCaCertificate"])
    path_length = options["maxPathLength"] if is_ca and options["maxPathLength"] >= 0 else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(issue.subject)
        .issuer_name(issue.issuer)
        .public_key(issue.public_key)
        .serial_number(secrets.randbits(SERIAL_BITS) or 1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(hours=options["validityPeriodHours"]))
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
    )
    if usage := key_usage(options["allowedUses"]):
        builder = builder.add_extension(usage, critical=True)
    if extended := extended_key_usage(options["allowedUses"]):
        builder = builder.add_extension(extended, critical=False)
    if is_ca or options["setSubjectKeyId"]:
        own_id = x509.SubjectKeyIdentifier.from_public_key(issue.public_key)
        builder = builder.add_extension(own_id, critical=False)
    if issue.issuer_key_id:
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issue.issuer_key_id)
        builder = builder.add_extension(authority_id, critical=False)
    if issue.alternative_names:
        builder = builder.add_extension(issue.alternative_names, critical=not issue.subject.rdns)
    return builder.sign(issue.issuer_key, names.digest(issue.issuer_key))


def _renewable(end: str, early_hours: int) -> bool:
    return datetime.now(UTC) >= datetime.fromisoformat(end) - timedelta(hours=early_hours)


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _request(pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem.encode())
    except ValueError:
        raise ResourceError("certRequestPem is no certificate request in PEM") from None
    return request


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise ResourceError("caCertPem is no certificate in PEM") from None


def _extension(extensions: x509.Extensions, kind: type[Value]) -> Value | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
