"""Inputs of the providers, as the engine would hand them over."""

from __future__ import annotations

from typing import Any

from components.certificates.account_provider import AcmeAccountProvider
from components.certificates.provider import AcmeCertificateProvider
from tests.unit.certificates.servers import Pebble
from tests.unit.powerdns.inputs import connection
from tests.unit.powerdns.server import DNS_PORT, Server

ACCOUNTS, CERTIFICATES = AcmeAccountProvider(), AcmeCertificateProvider()


def account(directory: str, **others: Any) -> dict[str, Any]:
    """Inputs of an account."""
    return {
        "directory": directory,
        "email": "platform@ef-fr.dev",
        "eabKeyId": "",
        "eabHmacKey": "",
        "deactivateOnDestroy": False,
        **others,
    }


def certificate(powerdns: Server, registered: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:
    """Inputs of a certificate of an account, given by its outputs."""
    server = f"{powerdns.address}:{DNS_PORT}"
    return {
        **connection(powerdns),
        "directory": registered["directory"],
        "accountUrl": registered["url"],
        "accountKey": registered["key"],
        "names": list(names) or ["ef-fr.dev", "*.ef-fr.dev"],
        "keyType": "EC256",
        "profile": "",
        "preferredChain": "",
        "reuseKey": False,
        "resolvers": [server],
        "servers": [server],
        "renewDays": 30.0,
        "revokeOnDestroy": False,
        "owner": "tests",
        **others,
    }


def register(pebble: Pebble, **others: Any) -> dict[str, Any]:
    """Check and create an account, as the engine does; its outputs."""
    checked = ACCOUNTS.check({}, account(pebble.directory, **others))
    assert not checked.failures, checked.failures[0].reason
    outputs = ACCOUNTS.create(checked.inputs).outs
    assert outputs is not None
    return outputs


def issue(props: dict[str, Any]) -> dict[str, Any]:
    """Check and create a certificate, as the engine does; its outputs."""
    checked = CERTIFICATES.check({}, props)
    assert not checked.failures, checked.failures[0].reason
    outputs = CERTIFICATES.create(checked.inputs).outs
    assert outputs is not None
    return outputs
