"""The client against a real server, and against one that is down, slow or unwell."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.powerdns import client
from components.powerdns.client import PowerDns, PowerDnsError
from tests.unit.powerdns.server import Server, worker_host

KEY = "the-key-that-nobody-sees"


@dataclass
class Unwell:
    """An HTTP server that gives one answer after the other; the last one again and again."""

    answers: list[tuple[int, str]]
    server: ThreadingHTTPServer = field(init=False)
    seen: list[str] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    """Set to let requests that get no answer (status 0) go."""

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                outer.seen.append(f"{self.command} {self.path}")
                status, body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if status == 0:
                    outer.silent.wait(10)
                    return
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # names that the base class looks up

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer((worker_host(2), 0), Handler)

    @property
    def address(self) -> str:
        return f"{self.server.server_address[0]!s}:{self.server.server_port}"


@pytest.fixture
def unwell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Unwell]]:
    monkeypatch.setattr(client, "_SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(client, "RETRY_FOR", 1.0)
    started: list[tuple[Unwell, threading.Thread]] = []

    def start(*answers: tuple[int, str], context: ssl.SSLContext | None = None) -> Unwell:
        one = Unwell(list(answers))
        if context:
            one.server.socket = context.wrap_socket(one.server.socket, server_side=True)
        thread = threading.Thread(target=one.server.serve_forever, args=(0.01,))
        thread.start()
        started.append((one, thread))
        return one

    yield start
    for one, thread in started:
        one.silent.set()
        one.server.shutdown()
        thread.join()
        one.server.server_close()


def test_zones_and_record_sets(powerdns: Server) -> None:
    change = {"name": "a.t.dev.", "type": "A", "ttl": 60, "changetype": "REPLACE"}
    record = {"content": "192.0.2.1", "disabled": False}
    with PowerDns(powerdns.api_url, powerdns.key) as api:
        assert api.zone("t.dev.") is None
        api.delete_zone("t.dev.")
        assert api.create_zone({"name": "t.dev.", "kind": "Primary", "nameservers": []})["name"] == "t.dev."
        api.patch("t.dev.", [{**change, "records": [record]}])
        found = api.record_set("t.dev.", "a.t.dev.", "A")
        assert found is not None
        assert found["records"] == [record]
        assert api.record_set("t.dev.", "b.t.dev.", "A") is None
        api.update_zone("t.dev.", {"account": "me"})
        zone = api.zone("t.dev.", record_sets=False)
        assert zone is not None
        assert (zone["account"], "rrsets" in zone) == ("me", False)
        api.set_metadata("t.dev.", "X-MINE", ["1", "2"])
        assert api.metadata("t.dev.")["X-MINE"] == ["1", "2"]
        api.set_metadata("t.dev.", "X-MINE", [])
        assert "X-MINE" not in api.metadata("t.dev.")
        api.notify("t.dev.")
        assert api.ds("t.dev.") == []
        api.delete_zone("t.dev.")
    assert powerdns.zones() == []


@pytest.mark.parametrize("zone", ["0/26.2.0.192.in-addr.arpa.", "_tcp.ef-fr.dev.", "."])
def test_zone_names_in_paths(powerdns: Server, zone: str) -> None:
    with PowerDns(powerdns.api_url, powerdns.key) as api:
        api.create_zone({"name": zone, "kind": "Native", "nameservers": []})
        found = api.zone(zone, record_sets=False)
        assert found is not None
        assert found["name"] == zone
        api.delete_zone(zone)


def test_the_servers_own_reason_and_no_second_try(powerdns: Server, calls: list[str]) -> None:
    with (
        PowerDns(powerdns.api_url, powerdns.key) as api,
        pytest.raises(PowerDnsError, match=r"POST /zones: HTTP 422: DNS Name 'no' is not canonical") as refused,
    ):
        api.create_zone({"name": "no", "kind": "Native", "nameservers": []})
    assert refused.value.status == 422
    assert calls == ["POST /zones"]


def test_a_wrong_key(powerdns: Server) -> None:
    with PowerDns(powerdns.api_url, KEY) as api, pytest.raises(PowerDnsError, match="key was not accepted") as refused:
        api.zone("t.dev.")
    assert KEY not in str(refused.value)


def test_a_key_that_is_no_header(powerdns: Server) -> None:
    with PowerDns(powerdns.api_url, f"{KEY}\n") as api, pytest.raises(PowerDnsError, match="no text") as refused:
        api.zone("t.dev.")
    assert KEY not in str(refused.value)


def test_a_server_that_recovers(unwell: Callable[..., Unwell]) -> None:
    server = unwell((500, "x"), (503, "x"), (200, '{"name": "t.dev."}'))
    with PowerDns(f"http://{server.address}", KEY) as api:
        assert api.zone("t.dev.") == {"name": "t.dev."}
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("status", "body", "text", "again"),
    [
        (500, '{"error": "Backend error: MDB_MAP_FULL"}', "HTTP 500: Backend error: MDB_MAP_FULL", True),
        (502, "<h1>Bad   Gateway</h1>", "HTTP 502: <h1>Bad Gateway</h1>", True),
        (403, "", "HTTP 403: Forbidden", False),
        (302, "", "HTTP 302: Found", False),
        (0, "", "no answer: .*Read timed out", True),
    ],
)
def test_a_server_that_stays_unwell(
    unwell: Callable[..., Unwell],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: str,
    text: str,
    again: bool,
) -> None:
    if not status:
        monkeypatch.setattr(client, "READ_TIMEOUT", 0.02)
    server = unwell((status, body))
    with PowerDns(f"http://{server.address}", KEY) as api, pytest.raises(PowerDnsError, match=text) as failed:
        api.zone("t.dev.")
    assert (len(server.seen) > 1) is again
    assert server.address in str(failed.value)
    assert KEY not in str(failed.value)


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_FOR", 0.0)
    with (
        PowerDns(f"http://{worker_host(3)}:9", KEY) as api,
        pytest.raises(PowerDnsError, match=r"no answer: .*refused") as failed,
    ):
        api.zone("t.dev.")
    assert failed.value.status is None


def test_only_the_given_authority_is_trusted(unwell: Callable[..., Unwell], tmp_path: Path) -> None:
    authority, context = _authority(tmp_path)
    other, _ = _authority(tmp_path)
    server = unwell((200, '{"name": "t.dev."}'), context=context)
    with PowerDns(f"https://{server.address}", KEY, authority) as api:
        assert api.zone("t.dev.") == {"name": "t.dev."}
    for untrusted in (other, ""):
        with PowerDns(f"https://{server.address}", KEY, untrusted) as api, pytest.raises(PowerDnsError, match="verify"):
            api.zone("t.dev.")
    assert len(server.seen) == 1


def _authority(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate that is its own authority, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "powerdns")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(worker_host(2)))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return pem.decode(), context
