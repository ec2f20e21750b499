"""Secrets are found in whatever the engine printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ci.scrub import MASK, Scrubber

PASSWORD = "Xk2mB7qLw9Vt4RzN8pYc"
LINE = "MHcCAQEEIJ8aVn3kq0Zt5b1Wm2c7Xe9LrYpUo4HsDfGj6TvQaBcD"


def secret(value: Any) -> dict[str, str]:
    """As `pulumi stack export --show-secrets` prints one."""
    return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


def scrubber(*secrets: Any, clear: str = "", config: Any = None, environment: Any = None) -> Scrubber:
    resource = {
        "outputs": {f"s{number}": secret(value) for number, value in enumerate(secrets)},
        "inputs": {"a": clear},
    }
    return Scrubber({"resources": [resource]}, config or {}, environment or {})


@pytest.mark.parametrize(
    ("secrets", "text", "scrubbed"),
    [
        ([PASSWORD], f"login with {PASSWORD} failed", f"login with {MASK} failed"),
        ([{"user": {"password": PASSWORD}}], f"x{PASSWORD}x", f"x{MASK}x"),
        ([f"-----BEGIN EC PRIVATE KEY-----\n{LINE}\n-----END EC PRIVATE KEY-----\n"], f"key: {LINE}", f"key: {MASK}"),
        ([f"client-key-data: {LINE}\n  x: 1"], f"a\\n{LINE}\\nb", f"a\\n{MASK}\\nb"),
        (["a@pve!b=6f2ad9a0-0000-4000-8000-000000000001"], "UUID 6f2ad9a0-0000-4000-8000-000000000001", f"UUID {MASK}"),
        (["short"], "short of memory", "short of memory"),
        ([f"{PASSWORD}\n"], f"login with {PASSWORD}", f"login with {MASK}"),
    ],
    ids=["password", "nested", "line-of-a-key", "word-of-a-file", "half-a-token", "too-short", "line-of-a-file"],
)
def test_secrets_of_the_state(secrets: list[Any], text: str, scrubbed: str) -> None:
    assert scrubber(*secrets).text(text) == scrubbed


def test_what_the_state_shows_elsewhere_is_no_secret() -> None:
    assert scrubber({"host": "10.75.10.101", "password": PASSWORD}, clear="10.75.10.101").text(
        f"10.75.10.101 {PASSWORD}"
    ) == (f"10.75.10.101 {MASK}")


def test_what_is_marked_by_itself_is_a_secret_where_the_state_shows_it_too() -> None:
    """A program has put it into an input that is not secret."""
    for secret in (PASSWORD, "6f2ad9a0-0000-4000-8000-000000000001", "dGhlIGtleQ==", "alllowercase1"):
        assert scrubber(secret, clear=f"login with {secret}").text(f"as {secret}") == f"as {MASK}"


@pytest.mark.parametrize(
    "word", ["true", "short-1", "authentik", "longhorn-system", "https://home.ef-fr.dev/", "10.75.10.0/24"]
)
def test_a_word_that_the_state_shows_elsewhere_stays_though_it_is_marked(word: str) -> None:
    """Else a value that is secret by where it comes from would black out a whole note."""
    assert scrubber(word, PASSWORD, clear=f"the {word}").text(f"{word} {PASSWORD}") == f"{word} {MASK}"


def test_a_word_that_is_marked_and_stands_nowhere_else_is_a_secret() -> None:
    assert scrubber("correct horse battery").text("it is correct horse battery") == f"it is {MASK}"


def test_secrets_of_the_configuration_and_of_the_job() -> None:
    config = {
        "oss-nextgen:proxmoxApiToken": {"value": PASSWORD, "secret": True},
        "oss-nextgen:site": {"value": "paris-site"},
    }
    environment = {"GITLAB_TOKEN": "glpat-0123456789", "CI_JOB_URL": "https://gitlab.example.org"}
    text = f"{PASSWORD} glpat-0123456789 paris-site https://gitlab.example.org"
    expected = f"{MASK} {MASK} paris-site https://gitlab.example.org"
    assert scrubber(config=config, environment=environment).text(text) == expected


def test_a_secret_of_the_configuration_is_one_where_the_state_shows_it_too() -> None:
    config = {"oss-nextgen:proxmoxApiToken": {"value": PASSWORD, "secret": True}}
    assert scrubber(config=config, clear=f"token {PASSWORD}").text(PASSWORD) == MASK


def test_every_text_of_a_value_is_looked_at() -> None:
    value = {"steps": [{PASSWORD: [PASSWORD, 1, None, True]}]}
    assert scrubber(PASSWORD).value(value) == {"steps": [{MASK: [MASK, 1, None, True]}]}


def test_without_secrets_everything_stays() -> None:
    assert scrubber().text("anything") == "anything"
