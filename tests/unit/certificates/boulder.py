"""What Pebble does otherwise than Boulder: an account that asks for the same names again gets the same order.

That order is taken until it is finalized, whatever key the certificate is for, and an authorization that is valid
stays so. Signatures are not checked; there is one account.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from components.certificates import keys
from tests.unit.certificates.servers import worker_host

DOMAIN = "ef-fr.dev"
PROBLEM = "urn:ietf:params:acme:error:"
Answer = tuple[int, dict[str, str], str]


@dataclass
class Boulder:
    """A running server, for certificates of `DOMAIN`."""

    url: str
    certificates: list[str] = field(default_factory=list)
    """Of the orders, PEM; empty for one that is not finalized."""
    authorized: bool = False

    @property
    def directory(self) -> str:
        return f"{self.url}/dir"

    def get(self) -> Answer:
        return _json({name: f"{self.url}/{name}" for name in ("newNonce", "newAccount", "newOrder")})

    def post(self, path: str, payload: dict[str, Any]) -> Answer:
        """Answer a request by its path, `/<what>/<number of the order>`."""
        what, number = path.split("/")[1], int(path.split("/")[2] if path.count("/") > 1 else -1)
        if what == "newOrder":
            if not self.certificates or self.certificates[-1]:
                self.certificates.append("")
            return self._order(len(self.certificates) - 1)
        if what == "order":
            return self._order(number)
        if what == "finalize":
            if self._status(number) != "ready":
                return _json({"type": f"{PROBLEM}orderNotReady", "detail": "not acceptable for finalization"}, 403)
            self.certificates[number] = _signed(payload["csr"])
            return self._order(number)
        if what == "certificate":
            return 200, {}, self.certificates[number]
        if what == "challenge":
            self.authorized = True
        challenge = {"type": "dns-01", "url": f"{self.url}/challenge", "token": "dG9rZW4tdG9rZW4tdG9rZW4"}
        challenge["status"] = "valid" if self.authorized else "pending"
        if what == "challenge":
            return _json(challenge, Link=f'<{self.url}/authorization>;rel="up"')
        identifier = {"type": "dns", "value": DOMAIN}
        return _json({"status": challenge["status"], "identifier": identifier, "challenges": [challenge]})

    def _status(self, number: int) -> str:
        if self.certificates[number]:
            return "valid"
        return "ready" if self.authorized else "pending"

    def _order(self, number: int) -> Answer:
        order = {
            "status": self._status(number),
            "identifiers": [{"type": "dns", "value": DOMAIN}],
            "authorizations": [f"{self.url}/authorization"],
            "finalize": f"{self.url}/finalize/{number}",
        }
        if self.certificates[number]:
            order["certificate"] = f"{self.url}/certificate/{number}"
        return _json(order, Location=f"{self.url}/order/{number}")


@contextmanager
def boulder() -> Iterator[Boulder]:
    """Run the server; it ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(ca.get())

        def do_HEAD(self) -> None:
            self._answer((200, {}, ""))

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["payload"]
            self._answer(ca.post(self.path, json.loads(_decoded(payload) or "{}")))

        def _answer(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            headers = {"Replay-Nonce": "bm9uY2U", "Content-Length": str(len(body)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((worker_host(6), 0), Handler)
    ca = Boulder(f"http://{worker_host(6)}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield ca
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _json(body: dict[str, Any], status: int = 200, **headers: str) -> Answer:
    kind = "application/problem+json" if status >= 400 else "application/json"
    return status, {"Content-Type": kind, **headers}, json.dumps(body)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signed(request: str) -> str:
    wanted = x509.load_der_x509_csr(_decoded(request))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), wanted.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=90))
    signed = builder.sign(keys.load(keys.generate("EC256")), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
