"""The Proxmox VE HTTP API as the proxmoxve plugin uses it: requests, errors, tasks.

https://pve.proxmox.com/pve-docs/api-viewer/ describes the calls. A write that takes time answers
with the id of a task (UPID); `run` waits for its end.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from lab.plugins.base import ResourceError

CONNECT_TIMEOUT = 10.0
REQUEST_TIMEOUT = 120.0
"""Seconds. Proxmox answers most calls at once, but waits up to a minute for a locked VM."""
CONNECTIONS = 64
"""Kept open at most: one per operation that the plugin server runs at once."""
POLL_FIRST, POLL_LAST = 0.05, 0.2
"""Seconds between two looks at a task or at a guest: growing from the first to the last. Tasks of the lab are quick."""


class ApiError(ResourceError):
    """An answer that is no success, in the words of the API."""

    def __init__(self, status: int, reason: str, fields: dict[str, str] | None = None) -> None:
        self.status = status
        self.reason = reason
        details = "".join(f"\n  {name}: {text}" for name, text in sorted((fields or {}).items()))
        super().__init__(f"received an HTTP {status} response - Reason: {reason}{details}")

    @property
    def missing(self) -> bool:
        """Whether the object that was asked for is not there. The API has no 404 for that."""
        return self.status == 404 or "does not exist" in self.reason


class TaskError(ResourceError):
    """A task that ended with an error, or did not end in time."""


@dataclass
class Patience:
    """How long one operation may wait, and whether the engine has given it up.

    Args:
        seconds: Budget of the whole operation.
        cancelled: Set when the engine gives up.
    """

    seconds: float
    cancelled: threading.Event
    _deadline: float = field(init=False)
    _pause: float = field(init=False, default=POLL_FIRST)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds

    def wait(self) -> bool:
        """Pause before the next look. False when the time is over.

        Raises:
            ResourceError: the engine cancelled the operation.
        """
        remaining = self._deadline - time.monotonic()
        if self.cancelled.wait(max(0.0, min(self._pause, remaining))):
            raise ResourceError("cancelled")
        self._pause = min(self._pause * 1.5, POLL_LAST)
        return remaining > 0


class Api:
    """One endpoint, with one token.

    Args:
        endpoint: Base URL such as `https://pve1.example.org:8006`; a path is ignored.
        token: `user@realm!tokenid=uuid`.
        insecure: Accept any certificate. Otherwise the trust store is the one `requests` uses.
    """

    def __init__(self, endpoint: str, token: str, insecure: bool = False) -> None:
        self.endpoint = endpoint.rstrip("/").removesuffix("/api2/json")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"PVEAPIToken={token}"
        self.session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self._insecure = insecure

    def get(self, path: str, **params: Any) -> Any:
        return self._request("GET", path, params=params)

    def post(self, path: str, **data: Any) -> Any:
        return self._request("POST", path, data=data)

    def put(self, path: str, **data: Any) -> Any:
        return self._request("PUT", path, data=data)

    def delete(self, path: str, **params: Any) -> Any:
        return self._request("DELETE", path, params=params)

    def run(self, upid: str, patience: Patience) -> None:
        """Wait for a task.

        Raises:
            TaskError: it failed, with the task's own words, or did not end in time.
        """
        node, kind = upid.split(":")[1], upid.split(":")[5]
        path = f"/nodes/{node}/tasks/{quote(upid, safe='')}/status"
        while (task := self.get(path))["status"] != "stopped":
            if not patience.wait():
                raise TaskError(f"task {kind} on node {node} did not end within {patience.seconds:.0f} s: {upid}")
        if task["exitstatus"] != "OK" and not task["exitstatus"].startswith("WARNINGS"):
            raise TaskError(f"task {kind} on node {node} failed: {task['exitstatus']}")

    def _request(self, method: str, path: str, **payload: Any) -> Any:
        try:
            response = self.session.request(
                method,
                f"{self.endpoint}/api2/json{path}",
                timeout=(CONNECT_TIMEOUT, REQUEST_TIMEOUT),
                verify=not self._insecure,
                **payload,
            )
        except requests.RequestException as error:
            raise ResourceError(f"{method} {self.endpoint}{path}: {error}") from None
        try:
            body = response.json()
        except requests.JSONDecodeError:
            body = {}
        if not response.ok:
            reason = (body.get("message") or response.reason or "").strip()
            raise ApiError(response.status_code, reason, body.get("errors"))
        return body.get("data")
