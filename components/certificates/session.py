"""A session with an ACME server: an account's requests, with errors in the CA's own words. No Pulumi in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import requests
from acme import errors, messages
from acme.client import ClientV2
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.jwk import JWKEC

from components.certificates import keys
from components.certificates.transport import Transport

PATIENCE = 300.0
"""Seconds that the server may take to validate an order, and again to issue."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class AcmeError(Exception):
    """A step that failed, in the CA's own words."""


class Session:
    """One account on one server. Opening it fetches the directory, and raises `AcmeError`.

    Args:
        directory: URL of the ACME directory.
        key: The account's private key, PEM.
        account: The account's URL; empty before it is registered.
    """

    def __init__(self, directory: str, key: str, account: str = "") -> None:
        self.directory = directory
        self.key = JWKEC(key=keys.load(key))
        self.transport = Transport(self.key)
        with self.step("directory"):
            self.acme = ClientV2(ClientV2.get_directory(directory, self.transport), self.transport)
        if account:
            self.transport.account = registration(account)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.transport.session.close()

    def post(self, url: str, body: JSONDeSerializable | None = None) -> requests.Response:
        """A signed request; without a body it only reads (RFC 8555, 6.3)."""
        return self.transport.post(url, body, new_nonce_url=self.acme.directory["newNonce"])

    def waiting(self) -> Callable[[], None]:
        """A function that waits before the next look at something that the server has not decided yet.

        As long as the server asks to, but the first time, when most is settled soon.
        """
        deadline, pause = time.monotonic() + PATIENCE, _SHORTEST_PAUSE

        def wait() -> None:
            nonlocal pause
            asked = self.transport.come_back if pause > _SHORTEST_PAUSE else None
            seconds = max(pause, (asked - datetime.now(UTC)).total_seconds() if asked else 0)
            if time.monotonic() + seconds > deadline:
                raise AcmeError(f"the server has not decided within {PATIENCE:.0f} s")
            time.sleep(seconds)
            pause = min(pause * 2, _LONGEST_PAUSE)

        return wait

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says where and in which step something failed."""
        where = f"{self.directory}: {what}"
        try:
            yield
        except AcmeError as error:
            raise AcmeError(f"{where}: {error}") from None
        except messages.Error as problem:
            raise AcmeError(f"{where}: {text(problem)}{self._advice(problem)}") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise AcmeError(f"{where}: no answer: {error}") from None
        except (errors.Error, requests.RequestException, JoseError, KeyError, ValueError) as error:
            raise AcmeError(f"{where}: an answer that is none of ACME: {error!r}") from None

    def _advice(self, problem: messages.Error) -> str:
        if problem.code == "rateLimited":
            again = self.transport.come_back
            return f" Come back after {again:%Y-%m-%d %H:%M:%S} UTC." if again else " Come back later."
        if problem.code == "accountDoesNotExist":
            return " Run `pulumi refresh`, which notices that, then `pulumi up`, which registers a new account."
        return ""


def registration(url: str) -> messages.RegistrationResource:
    """What the library wants to know of an account that exists."""
    return messages.RegistrationResource(uri=url, body=messages.Registration())


def text(problem: messages.Error) -> str:
    """The CA's own reason, with what it says of single names."""
    parts = [f"{problem.detail or problem.title or problem.typ} ({problem.code or problem.typ})"]
    for part in problem.subproblems or ():
        name = f"{part.identifier.value}: " if part.identifier else ""
        parts.append(f"{name}{text(part)}")
    return "; ".join(parts)
