"""Fixtures of this folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.powerdns.server import API_PORT, powerdns, powerdns_process, worker_host

__all__ = ["powerdns", "powerdns_process"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Method and path of every API call of the program, in order. The server logs them too late to be asked."""
    seen: list[str] = []
    send = requests.Session.send

    def record(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if "X-API-Key" in self.headers:
            path = urlsplit(str(request.url)).path.removeprefix("/api/v1/servers/localhost")
            seen.append(f"{request.method} {path}")
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", record)
    return seen


@pytest.fixture
def unused() -> Iterator[str]:
    """URL of an API that nobody may connect to."""
    with socket.create_server((worker_host(5), API_PORT)) as listener:
        listener.setblocking(False)
        yield f"http://{worker_host(5)}:{API_PORT}"
        with pytest.raises(BlockingIOError):
            listener.accept()
