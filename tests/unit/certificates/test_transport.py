"""What a CA does on bad days: a few lines of a server that is busy, limits, or is none at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.certificates import keys, transport
from components.certificates.client import Client
from components.certificates.session import AcmeError
from tests.unit.certificates.servers import worker_host

Answer = tuple[int, dict[str, str], str]
PROBLEM = "urn:ietf:params:acme:error:"


@dataclass
class Ca:
    """Answers registrations with what the test has queued."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    seen: int = 0

    def problem(self, status: int, code: str, detail: str, **headers: str) -> None:
        body = json.dumps({"type": f"{PROBLEM}{code}", "detail": detail})
        self.answers.append((status, {"Content-Type": "application/problem+json", **headers}, body))

    def accept(self) -> None:
        self.answers.append((201, {"Location": f"{self.url}/1"}, json.dumps({"status": "valid"})))


@pytest.fixture
def ca(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ca]:
    monkeypatch.setattr(transport, "RETRY_FOR", 1.0)
    monkeypatch.setattr(transport, "_SHORTEST_PAUSE", 0.01)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            directory = {name: f"{queue.url}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
            self._answer(200, {}, json.dumps(directory))

        def do_HEAD(self) -> None:
            self._answer(200, {}, "")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            queue.seen += 1
            self._answer(*(queue.answers.pop(0) if len(queue.answers) > 1 else queue.answers[0]))

        def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
            self.send_response(status)
            headers = {"Replay-Nonce": "bm9uY2U", "Content-Type": "application/json", **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((worker_host(5), 0), Handler)
    queue = Ca(f"http://{worker_host(5)}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield queue
    server.shutdown()
    thread.join()
    server.server_close()


def register(ca: Ca) -> str:
    with Client(f"{ca.url}/dir", keys.generate(keys.ACCOUNT_KIND)) as client:
        return client.register("platform@ef-fr.dev")


@pytest.mark.parametrize(
    ("after", "when"),
    [("3600", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), ("Wed, 21 Oct 2037 07:28:00 GMT", "2037-10-21 07:28:00")],
)
def test_a_limit_says_when_to_come_back(ca: Ca, after: str, when: str) -> None:
    ca.problem(429, "rateLimited", "too many registrations", **{"Retry-After": after})
    with pytest.raises(AcmeError, match=rf"too many registrations \(rateLimited\) Come back after {when} UTC\."):
        register(ca)
    assert ca.seen == 1


def test_a_limit_without_a_time(ca: Ca) -> None:
    ca.problem(429, "rateLimited", "too many registrations")
    with pytest.raises(AcmeError, match=r"Come back later\."):
        register(ca)


def test_nonces_are_refused_for_a_while(ca: Ca) -> None:
    for _ in range(8):
        ca.problem(400, "badNonce", "stale")
    ca.accept()
    assert register(ca) == f"{ca.url}/1"


def test_nonces_are_refused_for_ever(ca: Ca) -> None:
    ca.problem(400, "badNonce", "stale")
    with pytest.raises(AcmeError, match="badNonce"):
        register(ca)


def test_a_busy_server_is_asked_again(ca: Ca) -> None:
    ca.problem(503, "serverInternal", "busy")
    ca.answers.append((502, {"Content-Type": "text/html"}, "<html>"))
    ca.accept()
    assert register(ca) == f"{ca.url}/1"
    assert ca.seen == 3


def test_a_server_that_stays_broken(ca: Ca) -> None:
    ca.problem(500, "serverInternal", "out of order")
    with pytest.raises(AcmeError, match=r"/dir: registration of the account: out of order \(serverInternal\)"):
        register(ca)


def test_what_is_no_acme_server(ca: Ca) -> None:
    ca.answers.append((201, {}, "<html>"))
    with pytest.raises(AcmeError, match="an answer that is none of ACME"):
        register(ca)


@pytest.mark.usefixtures("ca")
def test_no_server_at_all() -> None:
    with pytest.raises(AcmeError, match=rf"https://{worker_host(9)}/dir: directory: no answer: "):
        Client(f"https://{worker_host(9)}/dir", keys.generate(keys.ACCOUNT_KIND))
