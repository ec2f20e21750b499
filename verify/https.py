"""HTTPS requests to a given address: what a host's name resolves to on this machine has no say, nor has a proxy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from types import TracebackType
from typing import Self

from verify.checks import CheckFailed

TIMEOUT = 10
"""Seconds to connect, and between two pieces of an answer."""
BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of an answer that are read. The objects of a large cluster take a few million."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes


class Connection:
    """A TLS connection, verified. Every method raises `CheckFailed`.

    Args:
        address: Where to connect.
        port: Port there.
        name: Host name or address that the certificate must be for; sent as SNI.
        context: What to trust.
    """

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext) -> None:
        self._place = f"{address}:{port}"
        self._http = _PinnedConnection(address, port, name, context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def expiry(self) -> float:
        """When the server's certificate ends, in seconds since the epoch."""
        try:
            certificate = self._http.tls().getpeercert()
        except OSError as error:
            raise self._failure(error) from None
        assert certificate is not None  # there is none only while a handshake goes on
        return float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))

    def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        """GET, redirections not followed."""
        return self.request("GET", path, headers)

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """A request without a body, redirections not followed."""
        try:
            self._http.request(method, path, headers=dict(headers))
            response = self._http.getresponse()
            return Answer(response.status, response.read(BODY_LIMIT))
        except (OSError, HTTPException) as error:
            raise self._failure(error) from None
        finally:
            # What is left of an answer must not be taken for the next one; a closed connection opens again.
            self._http.close()

    def _failure(self, error: OSError | HTTPException) -> CheckFailed:
        if isinstance(error, ssl.SSLCertVerificationError):
            return CheckFailed(f"the certificate of {self._place} is not accepted: {error.verify_message}")
        if isinstance(error, TimeoutError):
            return CheckFailed(f"{self._place} does not answer within {TIMEOUT} s")
        if isinstance(error, ssl.SSLError):
            return CheckFailed(f"{self._place} does not complete a TLS handshake: {error.reason}")
        if isinstance(error, OSError):
            return CheckFailed(f"no connection to {self._place}: {error.strerror or error}")
        return CheckFailed(f"{self._place} does not answer in HTTP: {type(error).__name__}")


class _PinnedConnection(HTTPSConnection):
    """Connects to an address, and asks for a name there."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=TIMEOUT, context=context)
        self._place = (address, port)
        self._tls = context

    def connect(self) -> None:
        raw = socket.create_connection(self._place, TIMEOUT)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)

    def tls(self) -> ssl.SSLSocket:
        if self.sock is None:
            self.connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock
