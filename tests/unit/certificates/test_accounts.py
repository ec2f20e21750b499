"""Accounts at a real Pebble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.certificates.client import Client
from components.certificates.session import AcmeError
from lab.authority import Authority
from tests.unit.certificates.inputs import ACCOUNTS, account, certificate, issue, register
from tests.unit.certificates.servers import EAB_KEY, Pebble, pebble, worker_host
from tests.unit.powerdns.server import Server


@pytest.fixture
def strict(tmp_path: Path, powerdns: Server, acme: Pebble) -> Iterator[Pebble]:
    """Another CA, which takes its own customers only."""
    settings: dict[str, Any] = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": EAB_KEY}}
    authority = Authority(acme.bundle.parent)
    with pebble(tmp_path, worker_host(3), powerdns, authority=authority, **settings) as server:
        yield server


def valid(directory: str, outputs: dict[str, Any]) -> bool:
    with Client(directory, outputs["key"], outputs["accounts"][directory]) as client:
        return client.account_is_valid()


def update(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    diff = ACCOUNTS.diff("", olds, news)
    assert diff.changes
    assert not diff.replaces
    outputs = ACCOUNTS.update("", olds, news).outs
    assert outputs is not None
    return outputs


def test_life(acme: Pebble) -> None:
    outputs = register(acme)
    assert outputs["accounts"] == {acme.directory: outputs["url"]}
    assert not ACCOUNTS.diff("", outputs, account(acme.directory)).changes
    read = ACCOUNTS.read("id", outputs)
    assert (read.id, read.outs, read.inputs) == ("id", outputs, account(acme.directory))
    for email in ("dns@ef-fr.dev", ""):
        outputs = update(outputs, account(acme.directory, email=email))
        assert outputs["email"] == email
    ACCOUNTS.delete("", outputs)
    assert valid(acme.directory, outputs)


def test_deactivation_is_a_choice(acme: Pebble) -> None:
    outputs = register(acme, deactivateOnDestroy=True)
    ACCOUNTS.delete("", outputs)
    assert not valid(acme.directory, outputs)
    read = ACCOUNTS.read("id", outputs)
    assert (read.id, read.outs) == ("", {})
    ACCOUNTS.delete("", outputs)


def test_the_key_finds_its_account(acme: Pebble) -> None:
    outputs = register(acme)
    with Client(acme.directory, outputs["key"]) as client:
        assert client.register() == outputs["url"]


def test_another_directory_leaves_the_former_account(powerdns: Server, acme: Pebble, strict: Pebble) -> None:
    first = register(acme)
    bound = {"eabKeyId": "kid-1", "eabHmacKey": EAB_KEY}
    second = update(first, account(strict.directory, deactivateOnDestroy=True, **bound))
    assert second["key"] == first["key"]
    assert second["accounts"] == {acme.directory: first["url"], strict.directory: second["url"]}
    assert valid(acme.directory, second)
    assert issue(certificate(powerdns, second))["directory"] == strict.directory
    third = update(second, account(acme.directory))
    assert third["url"] == first["url"]
    ACCOUNTS.delete("", second)
    assert not valid(acme.directory, second)
    assert not valid(strict.directory, second)


def test_external_binding(strict: Pebble) -> None:
    with pytest.raises(AcmeError, match="takes only accounts that are bound to one of its customers"):
        register(strict)
    with pytest.raises(AcmeError) as refused:
        register(strict, eabKeyId="kid-1", eabHmacKey="c2VjcmV0LXNlY3JldA")
    assert "registration of the account" in str(refused.value)
    assert "c2VjcmV0LXNlY3JldA" not in str(refused.value)
    register(strict, eabKeyId="kid-1", eabHmacKey=EAB_KEY)
