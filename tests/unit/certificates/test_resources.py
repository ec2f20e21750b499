"""What the resources hand to their providers, and what of it reaches the state."""

from __future__ import annotations

import base64
from typing import Any

import pulumi
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from components.certificates import (
    AcmeAccount,
    AcmeAccountArgs,
    AcmeCertificate,
    AcmeCertificateArgs,
    account_provider,
    keys,
    provider,
)
from components.certificates.resources import ExternalBinding
from components.powerdns import Connection

DIRECTORY = "https://acme.example/directory"


class Mocks(pulumi.runtime.Mocks):
    """Gives an account its outputs."""

    def __init__(self) -> None:
        self.resources: dict[str, pulumi.runtime.MockResourceArgs] = {}
        self.key = keys.generate(keys.ACCOUNT_KIND)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.resources[args.typ] = args
        return args.name, {**args.inputs, "url": f"{DIRECTORY}/1", "key": self.key}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


def test_an_account_and_its_certificate() -> None:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris")

    @pulumi.runtime.test
    def program() -> pulumi.Output[Any]:
        binding = ExternalBinding("kid-1", "c2VjcmV0")
        account = AcmeAccount("acme", AcmeAccountArgs(DIRECTORY, external_binding=binding))
        connection = Connection("https://pdns:8081", "a-key")
        args = AcmeCertificateArgs(account, ["*.ef-fr.dev", "ef-fr.dev"], connection, resolvers=["192.0.2.1:53"])
        return AcmeCertificate("tls", args).urn

    program()
    inputs = {typ.rpartition(":")[2]: args.inputs for typ, args in mocks.resources.items()}
    assert mocks.resources.keys() == {f"pulumi-python:dynamic/certificates:{name}" for name in inputs}
    assert is_rpc_secret(inputs["AcmeAccount"]["eabHmacKey"])
    assert is_rpc_secret(inputs["AcmeCertificate"]["apiKey"])
    account, certificate = (
        {key: unwrap_rpc_secret(value) for key, value in inputs[name].items()}
        for name in ("AcmeAccount", "AcmeCertificate")
    )
    assert account.keys() - {"__provider"} == set(account_provider.AcmeAccountProvider.INPUTS)
    assert certificate.keys() - {"__provider"} == set(provider.AcmeCertificateProvider.INPUTS)
    assert (certificate["accountUrl"], certificate["accountKey"]) == (f"{DIRECTORY}/1", mocks.key)
    assert certificate["owner"] == "oss-nextgen.paris.tls"
    for checked in (
        account_provider.AcmeAccountProvider().check({}, account),
        provider.AcmeCertificateProvider().check({}, certificate),
    ):
        assert not checked.failures


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        (
            account_provider.AcmeAccountProvider(),
            b"components.certificates.account_provider\x94\x8c\x13AcmeAccountProvider",
        ),
        (provider.AcmeCertificateProvider(), b"components.certificates.provider\x94\x8c\x17AcmeCertificateProvider"),
    ],
)
def test_the_state_names_the_provider_and_holds_no_code(subject: pulumi.dynamic.ResourceProvider, path: bytes) -> None:
    """Moving or renaming a provider breaks every state that has one."""
    pickled = base64.b64decode(serialize_provider(subject))
    assert path in pickled
    assert len(pickled) < 120
