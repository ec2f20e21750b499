"""CertRequest: a certificate signing request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lab.plugins.base import Call, Failure, Props
from lab.plugins.tls import keys, names
from lab.plugins.tls.kept import Kept


class CertRequest(Kept):
    """A PKCS#10 request (RFC 2986), signed with the key it is for."""

    token = "tls:index/certRequest:CertRequest"
    inputs: ClassVar[Mapping[str, str]] = {"privateKeyPem": "string", **names.INPUTS}
    required = frozenset({"privateKeyPem"})
    computed = frozenset({"certRequestPem", "keyAlgorithm"})
    secret_outputs = frozenset({"privateKeyPem"})
    replace_on = frozenset(inputs)

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        return inputs, failures or names.check(inputs)

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        key = keys.parse(inputs["privateKeyPem"], "privateKeyPem")
        builder = x509.CertificateSigningRequestBuilder(names.subject(inputs))
        if alternative := names.alternative_names(inputs):
            builder = builder.add_extension(alternative, critical=False)
        pem = builder.sign(key, names.digest(key)).public_bytes(Encoding.PEM).decode()
        id = hashlib.sha1(pem.encode(), usedforsecurity=False).hexdigest()
        return id, {**inputs, "certRequestPem": pem, "keyAlgorithm": keys.algorithm(key)}
