"""HTTP to an ACME server: signed requests that survive a refused nonce, a restart and a busy server."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import errors, messages
from acme.client import ClientNetwork
from josepy.jwa import ES256
from josepy.jwk import JWKEC

TIMEOUT = 45
"""Seconds for one answer."""
RETRY_FOR = 60.0
"""Seconds after which no call is tried again."""
NONCES = 10
"""Refused nonces in a row that a server may have: each answer brings a new one (RFC 8555, 6.5)."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


class Transport(ClientNetwork):
    """Signs with one account's key.

    A refused nonce, a lost connection and a 5xx answer are tried again; what the server refuses is not.

    Args:
        key: The account's private key, P-256.
    """

    def __init__(self, key: JWKEC) -> None:
        super().__init__(key, alg=ES256, user_agent="oss-nextgen", timeout=TIMEOUT)
        self.session.hooks["response"].append(self._note)
        self._status = 0
        self._retry_after: str | None = None

    def get(self, *args: Any, **kwargs: Any) -> requests.Response:
        return self._persistently(lambda: super(Transport, self).get(*args, **kwargs))

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        return self._persistently(lambda: super(Transport, self).post(*args, **kwargs))

    @property
    def come_back(self) -> datetime | None:
        """When the last answer asks to come back, if it does (RFC 9110, 10.2.3)."""
        if self._retry_after is None:
            return None
        try:
            return datetime.now(UTC) + timedelta(seconds=int(self._retry_after))
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(self._retry_after).astimezone(UTC)
        except ValueError:
            return None

    def _note(self, response: requests.Response, **_options: Any) -> None:
        self._status = response.status_code
        self._retry_after = response.headers.get("Retry-After")

    def _persistently(self, call: Callable[[], requests.Response]) -> requests.Response:
        deadline, pause, nonces = time.monotonic() + RETRY_FOR, _SHORTEST_PAUSE, 0
        while True:
            try:
                return call()
            except errors.Error as problem:
                if isinstance(problem, messages.Error) and problem.code == "badNonce" and nonces < NONCES:
                    nonces += 1
                    continue
                if self._status < requests.codes.server_error or time.monotonic() + pause > deadline:
                    raise
            except (requests.ConnectionError, requests.Timeout) as error:
                # A server that is not trusted will not be so in a minute.
                if isinstance(error, requests.exceptions.SSLError) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
