"""A small client of the Kubernetes API: requests, discovery, watches.

It speaks plain JSON objects, for every kind there is. Errors are the server's own `Status` objects
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from lab.plugins.kubernetes.kubeconfig import Kubeconfig

Object = dict[str, Any]
"""A Kubernetes object, or any other JSON object of its API."""

APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"

_CONNECTIONS: Final = 64
"""Kept open at once; the engine works on many resources in parallel."""
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 60.0
_WATCH_SECONDS: Final = 1
"""A watch request is ended by the server that often; the connection stays."""


class Unreachable(Exception):
    """No answer from the API server."""


class ApiError(Exception):
    """The API server refused. `code` is the HTTP status, `reason` the server's own word for it."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        self.code = code
        self.reason = str(status.get("reason") or "")
        self.details: Mapping[str, Any] = status.get("details") or {}
        super().__init__(str(status.get("message") or f"HTTP {code}"))

    @property
    def field_conflict(self) -> bool:
        """Another field manager holds a field that was to be applied with another value."""
        return any(cause.get("reason") == "FieldManagerConflict" for cause in self.details.get("causes") or [])


class NoSuchKind(Exception):
    """The server serves no such apiVersion and kind: a CustomResourceDefinition may be missing."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


@dataclass(frozen=True)
class Served:
    """How the server serves one kind."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """URL path of the collection, or of one object. Namespaced ones without a namespace live in `default`."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace or 'default')}" if self.namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Api:
    """One API server, as one user. Safe to use from several threads."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        self.server = kubeconfig.server
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS, ssl_context=kubeconfig.tls, headers=kubeconfig.headers, retries=False
        )
        self._discovered: dict[str, dict[str, Served]] = {}
        self._lock = threading.Lock()

    def get(self, path: str, **query: str) -> Object:
        """Read an object, or a collection."""
        return self._send("GET", path, query)

    def post(self, path: str, body: Object, **query: str) -> Object:
        """Create an object in a collection."""
        return self._send("POST", path, query, body)

    def put(self, path: str, body: Object, **query: str) -> Object:
        """Replace an object."""
        return self._send("PUT", path, query, body)

    def patch(self, path: str, body: Any, content_type: str, **query: str) -> Object:
        """Change an object; `content_type` says how (`APPLY`, `JSON_PATCH`)."""
        return self._send("PATCH", path, query, body, content_type)

    def delete(self, path: str, body: Object) -> Object:
        """Ask for an object's deletion; `body` holds the DeleteOptions."""
        return self._send("DELETE", path, {}, body)

    def served(self, api_version: str, kind: str) -> Served:
        """Discover a kind. A kind that was not there is looked up again each time.

        Raises:
            NoSuchKind: when the server does not serve it.
        """
        with self._lock:
            known = self._discovered.get(api_version, {}).get(kind)
        return known or self._discover(api_version, kind)

    def _discover(self, api_version: str, kind: str) -> Served:
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        try:
            listing = self.get(root)["resources"]
        except ApiError as error:
            if error.code != 404:
                raise
            listing = []
        kinds = {
            item["kind"]: Served(api_version, item["name"], item["namespaced"])
            for item in listing
            if "/" not in item["name"]  # a subresource, such as pods/log
        }
        with self._lock:
            self._discovered[api_version] = kinds
        if kind not in kinds:
            raise NoSuchKind(api_version, kind)
        return kinds[kind]

    def watch(
        self, served: Served, namespace: str, name: str, version: str, lasting: int = _WATCH_SECONDS
    ) -> Iterator[Object | None]:
        """Follow one object, or with an empty name a collection, from a resource version on.

        Yields:
            Watch events (`{"type": …, "object": …}`), and None every `lasting` seconds, so that the
            caller can look at the clock. Ends when the connection breaks, or the server no longer
            knows that version: read the object again then.
        """
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(lasting)}
        if name:
            query["fieldSelector"] = f"metadata.name={name}"
        while True:
            try:
                response = self._open("GET", served.path(namespace), query)
            except Unreachable:
                yield None
                continue
            try:
                for event in _events(response):
                    if event["type"] == "ERROR":
                        return
                    query["resourceVersion"] = event["object"]["metadata"]["resourceVersion"]
                    yield event
            except HTTPError:
                return
            finally:
                response.close()
            yield None

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, content_type: str = "application/json"
    ) -> Object:
        response = self._open(method, path, query, body, content_type)
        try:
            answer: Object = json.loads(response.data)
        except HTTPError as error:
            raise Unreachable(f"{self.server} did not answer completely: {error}") from None
        return answer

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers={**self._pool.headers, "Content-Type": content_type, "Accept": "application/json"},
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
                preload_content=False,
            )
            if response.status >= 400:
                raise ApiError(response.status, _status(response.data))
        except HTTPError as error:
            raise Unreachable(f"{self.server} does not answer: {error}") from None
        return response


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[Object]:
    buffer = b""
    for chunk in response.stream(amt=None):
        buffer += chunk
        while (end := buffer.find(b"\n")) >= 0:
            line, buffer = buffer[:end], buffer[end + 1 :]
            yield json.loads(line)


def _status(data: bytes) -> Mapping[str, Any]:
    try:
        status = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace").strip()}
    return status if isinstance(status, dict) else {}
