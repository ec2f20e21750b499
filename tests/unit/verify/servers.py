"""Small real servers: HTTPS that answers by host and path, DNS over UDP and TCP."""

from __future__ import annotations

import os
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.message

from tests.unit.verify.pki import Issued


def address(number: int) -> str:
    """An address of the tests' own for each pytest-xdist worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.93.{int(worker)}.{number}"


Respond = Callable[[str, str], tuple[int, str]]
"""Host header and path -> status and body. Before the path of what is no GET stands its method."""


@contextmanager
def https(host: str, issued: Issued, folder: Path, respond: Respond, client_ca: str = "") -> Iterator[int]:
    """Serve HTTPS on a free port, which is yielded.

    Args:
        host: Address to listen on.
        issued: The server's certificate.
        folder: For the key's file.
        respond: Makes the answers.
        client_ca: PEM of the CA that clients need a certificate from; empty to take any client.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path if self.command == "GET" else f"{self.command} {self.path}"
            status, body = respond(self.headers["Host"], path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_DELETE = do_GET  # noqa: N815  # the name is http.server's

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = _Https((host, 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=client_ca or None)
    context.verify_mode = ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE
    pem = folder / "server.pem"
    pem.write_text(issued.chain + issued.key)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with _serving(server):
        yield server.server_port


Reply = Callable[[dns.message.Message, str], dns.message.Message | None]
"""A query and `udp` or `tcp` -> the response, or None for silence."""


@contextmanager
def dns_server(host: str, reply: Reply) -> Iterator[int]:
    """Serve DNS on a free port over UDP and TCP. Yields the port."""

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2), "big")
            if response := _respond(self.rfile.read(size), "tcp"):
                self.wfile.write(len(response).to_bytes(2, "big") + response)

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, replies = self.request
            if response := _respond(query, "udp"):
                replies.sendto(response, self.client_address)

    def _respond(wire: bytes, transport: str) -> bytes:
        response = reply(dns.message.from_wire(wire), transport)
        return response.to_wire() if response else b""

    tcp = _Tcp((host, 0), Tcp)
    with _serving(tcp), _serving(socketserver.ThreadingUDPServer((host, tcp.server_address[1]), Udp)):
        yield tcp.server_address[1]


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class _Https(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that refuse the certificate are part of the tests."""


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
