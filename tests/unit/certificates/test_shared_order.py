"""Two runs that order the same names with one account, at a CA that gives both the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import pytest

from components.certificates import keys
from components.certificates.client import Client, Wanted
from components.certificates.session import AcmeError
from tests.unit.certificates.boulder import DOMAIN, Boulder, boulder


@pytest.fixture
def ca() -> Iterator[Boulder]:
    with boulder() as server:
        yield server


def run(ca: Boulder, kind: str, rivals: list[str]) -> tuple[str, str]:
    """Order a certificate; while its TXT record is there, a rival goes all its way.

    Returns:
        Chain and private key.
    """
    key = keys.generate(kind)

    @contextmanager
    def publish(_values: Mapping[str, Sequence[str]]) -> Iterator[None]:
        if rivals:
            run(ca, rivals.pop(), [])
        yield

    with Client(ca.directory, keys.generate(keys.ACCOUNT_KIND), f"{ca.url}/1") as client:
        return client.issue(Wanted([DOMAIN], key), publish), key


def test_each_gets_the_certificate_of_its_own_key(ca: Boulder) -> None:
    chain, key = run(ca, "EC256", ["RSA2048"])
    assert keys.Certificate(chain).is_of(key)
    assert [keys.Certificate(pem).is_of(key) for pem in ca.certificates] == [False, True]


def test_a_certificate_that_is_always_of_another_key(ca: Boulder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key without its certificate would stop the server that is told to use both."""
    monkeypatch.setattr(keys, "request", lambda _pem, names, make=keys.request: make(keys.generate("EC256"), names))
    with (
        Client(ca.directory, keys.generate(keys.ACCOUNT_KIND), f"{ca.url}/1") as client,
        pytest.raises(AcmeError, match=r"issuance for ef-fr\.dev: the certificate is for another key, 2 times"),
    ):
        client.issue(Wanted([DOMAIN], keys.generate("EC256")), lambda _values: nullcontext())
    assert len(ca.certificates) == 2
