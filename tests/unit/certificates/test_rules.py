"""What is refused before any call, by rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pulumi.output import Unknown

from components.certificates import keys
from tests.unit.certificates.inputs import ACCOUNTS, CERTIFICATES, account, certificate
from tests.unit.powerdns.server import Server

DIRECTORY = "https://acme.example/directory"
KEY = keys.generate(keys.ACCOUNT_KIND)
REGISTERED = {"directory": DIRECTORY, "url": f"{DIRECTORY}/1", "key": KEY}
NOBODY = Server("127.88.255.1", Path())
"""Whoever asked it would fail."""
HIDDEN = "not base64url, and a secret"


def of_account(**changes: Any) -> list[str]:
    return [failure.reason for failure in ACCOUNTS.check({}, {**account(DIRECTORY), **changes}).failures]


def of_certificate(**changes: Any) -> list[str]:
    props = {**certificate(NOBODY, REGISTERED), **changes}
    return [failure.reason for failure in CERTIFICATES.check({}, props).failures]


@pytest.mark.parametrize(
    ("changes", "rule", "message"),
    [
        ({"directory": "acme.example"}, "bad-directory", "directory is 'acme.example': the URL of an ACME directory"),
        ({"directory": "https://[acme/"}, "bad-directory", "directory is"),
        ({"directory": "http://acme.example/dir"}, "directory-in-clear", "takes https only"),
        ({"email": "a@b.example,c@d.example"}, "bad-email", "one mail address, or empty"),
        ({"eabKeyId": "kid-1"}, "half-eab", "give both, as the CA gave them"),
        ({"eabKeyId": "kid-1", "eabHmacKey": HIDDEN}, "bad-hmac-key", "(not shown) must be base64url"),
    ],
)
def test_accounts(changes: dict[str, Any], rule: str, message: str) -> None:
    [reason] = of_account(**changes)
    assert reason.endswith(f"[{rule}]")
    assert message in reason
    assert HIDDEN not in reason


@pytest.mark.parametrize(
    ("changes", "rule", "message"),
    [
        ({"names": []}, "no-names", "a certificate has at least one"),
        ({"names": [f"n{number}.ef-fr.dev" for number in range(101)]}, "many-names", "names are 101: at most 100"),
        ({"names": ["ef-fr.dev", "EF-fr.dev."]}, "same-name", "names hold 'ef-fr.dev' twice"),
        ({"names": ["*.ef-fr.dev", "www.ef-fr.dev"]}, "redundant-name", "which *.ef-fr.dev covers"),
        ({"names": ["192.0.2.1"]}, "address-name", "a DNS name is expected"),
        ({"names": ["www.*.ef-fr.dev"]}, "bad-wildcard", "a star stands for the whole first label"),
        ({"names": ["w*.ef-fr.dev"]}, "bad-wildcard", "a star stands for the whole first label"),
        ({"names": ["*.dev"]}, "bare-name", "no CA certifies a name of one label"),
        ({"names": ["my_host.ef-fr.dev"]}, "bad-host", "letters, digits and inner dashes only"),
        ({"names": ["a..ef-fr.dev"]}, "bad-name", "is no domain name"),
        ({"names": [f"{'a' * 64}.ef-fr.dev"]}, "bad-name", "is no domain name"),
        ({"names": ["a\u2060\u0378.ef-fr.dev"]}, "bad-idn", "no valid internationalised name"),
        ({"keyType": "RSA1024"}, "bad-key-type", "one of EC256, EC384, RSA2048, RSA3072, RSA4096"),
        ({"renewDays": 0}, "bad-days", "whole days, 1 to 365"),
        ({"profile": "short lived"}, "bad-profile", "a name that the CA's directory lists"),
        ({"resolvers": ["ns1.ef-fr.dev"]}, "bad-server-address", "resolvers hold 'ns1.ef-fr.dev': address:port"),
        ({"servers": ["192.0.2.1:99999"]}, "bad-server-address", "servers hold '192.0.2.1:99999'"),
        ({"accountUrl": "1"}, "bad-account", "the `url` of an AcmeAccount"),
        ({"accountKey": HIDDEN}, "bad-account-key", "(not shown) is no private key in PEM form"),
        ({"directory": "http://acme.example/dir"}, "directory-in-clear", "takes https only"),
        ({"apiUrl": "http://192.0.2.1:8081"}, "key-in-clear", "use https"),
    ],
)
def test_certificates(changes: dict[str, Any], rule: str, message: str) -> None:
    [reason] = of_certificate(**changes)
    assert reason.endswith(f"[{rule}]")
    assert message in reason
    assert HIDDEN not in reason


def test_all_problems_at_once() -> None:
    reasons = of_certificate(names=["*.dev", "192.0.2.1"], keyType="DSA", renewDays=1.5)
    rules = [re.findall(r"\[(.*)\]$", reason)[0] for reason in reasons]
    assert sorted(rules) == ["address-name", "bad-days", "bad-key-type", "bare-name"]


def test_international_names_and_order() -> None:
    props = certificate(NOBODY, REGISTERED, "*.Café.dev", "b.dev", "café.dev")
    assert CERTIFICATES.check({}, props).inputs["names"] == ["b.dev", "xn--caf-dma.dev", "*.xn--caf-dma.dev"]


def test_a_preview_in_which_the_account_is_not_there_yet() -> None:
    unknown: Any = Unknown()  # type: ignore[no-untyped-call] # pulumi gives it no types
    props = certificate(NOBODY, REGISTERED)
    changed = {**props, "accountUrl": unknown, "accountKey": unknown, "apiKey": unknown, "servers": [unknown]}
    checked = CERTIFICATES.check({}, changed)
    assert not checked.failures
    known = {"notBefore": "2026-01-01T00:00:00Z", "notAfter": "9999-01-01T00:00:00Z", "renewalWindowStart": ""}
    assert not CERTIFICATES.diff("", {**props, **known}, checked.inputs).changes
    assert CERTIFICATES.diff("", {**props, **known}, {**checked.inputs, "directory": unknown}).changes
    assert not CERTIFICATES.check({}, {**props, "names": unknown}).failures
