"""The PowerDNS authoritative server's HTTP API, version 1. No Pulumi in here.

API: https://doc.powerdns.com/authoritative/http-api/
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 60
"""Seconds. A change of many thousand record sets takes several."""
RETRY_FOR = 60.0
"""Seconds after which no call is tried again."""
COPIES = ("Slave", "Secondary")
"""Kinds of a zone that is fetched from its masters. What is written into a copy reaches nobody else, and a serial that
it raises keeps the next transfer away."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


class PowerDnsError(Exception):
    """A call that failed, in the server's own words.

    Args:
        message: What to show; never the key.
        status: HTTP status; None if there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class PowerDns:
    """One server.

    Connection errors and 5xx answers are tried again for `RETRY_FOR`; 4xx are the caller's fault and
    are not. Every method raises `PowerDnsError`.

    Args:
        api_url: `https://host:port`, without a path.
        api_key: The key; it is sent as a header only.
        ca_certificate: PEM of the only CA to trust; empty to trust what the machine trusts.
        server_id: `localhost` on every server that is not behind a proxy.
    """

    def __init__(self, api_url: str, api_key: str, ca_certificate: str = "", server_id: str = "localhost") -> None:
        self._url = api_url.rstrip("/")
        self._base = f"{self._url}/api/v1/servers/{server_id}"
        self._session = requests.Session()
        self._session.headers["X-API-Key"] = api_key
        if ca_certificate:
            self._session.mount("https://", _OneAuthority(ca_certificate))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def zone(self, zone: str, *, record_sets: bool = True) -> dict[str, Any] | None:
        """A zone as the server has it, or None. Leaving its record sets out is much cheaper."""
        found: dict[str, Any] | None = self._find(_path(zone), {"rrsets": str(record_sets).lower()})
        return found

    def record_set(self, zone: str, name: str, type_: str) -> dict[str, Any] | None:
        """One record set of a zone, or None."""
        found = self._find(_path(zone), {"rrset_name": name, "rrset_type": type_})
        return next(iter(found["rrsets"]), None) if found else None

    def create_zone(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Create a zone; status 409 if it is there."""
        created: dict[str, Any] = self._call("POST", "/zones", properties).json()
        return created

    def update_zone(self, zone: str, properties: Mapping[str, Any]) -> None:
        """Change the properties of a zone that are given."""
        self._call("PUT", _path(zone), properties)

    def delete_zone(self, zone: str) -> None:
        """Remove a zone and all that it holds. One that is not there is no error."""
        self._remove(_path(zone))

    def patch(self, zone: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """Change record sets, all of them or none."""
        self._call("PATCH", _path(zone), {"rrsets": list(changes)})

    def notify(self, zone: str) -> None:
        """Tell the secondaries of a primary zone that it has changed."""
        self._call("PUT", f"{_path(zone)}/notify")

    def announce(self, zone: str) -> None:
        """Have a primary zone's copies fetched now: the server itself looks for changes once a minute only."""
        found = self.zone(zone, record_sets=False)
        if found and found["kind"] in ("Master", "Primary"):
            self.notify(zone)

    def retrieve(self, zone: str) -> None:
        """Have a secondary zone fetched soon."""
        self._call("PUT", f"{_path(zone)}/axfr-retrieve")

    def metadata(self, zone: str) -> dict[str, list[str]]:
        """Kind to values; empty if the zone is not there."""
        found: list[dict[str, Any]] = self._find(f"{_path(zone)}/metadata") or []
        return {item["kind"]: item["metadata"] for item in found}

    def set_metadata(self, zone: str, kind: str, values: Sequence[str]) -> None:
        """Replace the values of one kind of metadata; none removes the kind."""
        path = f"{_path(zone)}/metadata/{kind}"
        if values:
            self._call("PUT", path, {"kind": kind, "metadata": list(values)})
        else:
            self._remove(path)

    def ds(self, zone: str) -> list[str]:
        """DS records of the active keys of a signed zone, for its parent."""
        keys: list[dict[str, Any]] = self._find(f"{_path(zone)}/cryptokeys") or []
        return sorted(record for key in keys if key["active"] for record in key.get("ds", []))

    def tsig_key(self, name: str) -> dict[str, Any] | None:
        """A key for transfers, its secret included, or None."""
        found: dict[str, Any] | None = self._find(f"/tsigkeys/{_encoded(name)}")
        return found

    def create_tsig_key(self, name: str, algorithm: str, key: str) -> None:
        """Create a key for transfers; status 409 if there is one of that name."""
        self._call("POST", "/tsigkeys", {"name": name, "algorithm": algorithm, "key": key})

    def update_tsig_key(self, name: str, algorithm: str, key: str) -> None:
        """Change a key for transfers."""
        self._call("PUT", f"/tsigkeys/{_encoded(name)}", {"name": name, "algorithm": algorithm, "key": key})

    def delete_tsig_key(self, name: str) -> None:
        """Remove a key for transfers. One that is not there is no error."""
        self._remove(f"/tsigkeys/{_encoded(name)}")

    def _find(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        try:
            return self._call("GET", path, query=query).json()
        except PowerDnsError as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    def _remove(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except PowerDnsError as error:
            if error.status != requests.codes.not_found:
                raise

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> requests.Response:
        deadline, pause = time.monotonic() + RETRY_FOR, _SHORTEST_PAUSE
        while True:
            try:
                return self._attempt(method, path, body, query)
            except PowerDnsError as error:
                refused = error.status is not None and error.status < requests.codes.server_error
                if refused or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _attempt(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> requests.Response:
        what = f"PowerDNS at {self._url}: {method} {path}"
        try:
            # A redirection would carry the key to another server.
            response = self._session.request(
                method,
                f"{self._base}{path}",
                params=query,
                json=body,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
            )
        except requests.exceptions.InvalidHeader:
            # Its message quotes the header.
            raise PowerDnsError(f"{what}: the API key is no text that a header can carry", 400) from None
        except requests.RequestException as error:
            raise PowerDnsError(f"{what}: no answer: {error}") from None
        if response.ok and not response.is_redirect:
            return response
        raise PowerDnsError(f"{what}: HTTP {response.status_code}: {_reason(response)}", response.status_code)


class _OneAuthority(HTTPAdapter):
    """Trusts one CA, whose certificate is at hand as text."""

    def __init__(self, pem: str) -> None:
        self._context = ssl.create_default_context(cadata=pem)
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to add: this is where certifi's authorities would be."""


def _path(zone: str) -> str:
    return f"/zones/{_encoded(zone)}"


def _encoded(name: str) -> str:
    """A name as the API's paths want it: `=2F` for a slash (`0/26.2.0.192.in-addr.arpa.`)."""
    return re.sub(r"[^A-Za-z0-9.-]", lambda match: f"={ord(match[0]):02X}", name) if name != "." else "=2E"


def decoded(id_: str) -> str:
    """The name that an id of the API stands for."""
    return re.sub(r"=([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), id_)


def _reason(response: requests.Response) -> str:
    if response.status_code == requests.codes.unauthorized:
        return "the API key was not accepted, or this address is not allowed to use the API"
    try:
        body = response.json()
        return str(body["error"])
    except (ValueError, KeyError, TypeError):
        text = " ".join(response.text.split())
        return text[:300] or str(response.reason)
