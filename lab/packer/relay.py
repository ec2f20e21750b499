"""A TCP relay to a VM whose address is not known yet.

Packer's Proxmox builder passes over loopback addresses that the guest agent reports, and the lab's
guests have no others. So Packer connects here, and each connection waits until the agent has told
the address: no agent, no SSH, as on a real server.
"""

from __future__ import annotations

import select
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from types import TracebackType

HOLD = 40.0
"""Seconds that a connection waits; Packer gives a handshake a minute, and then tries again."""
POLL = 0.2
"""Seconds between two looks at the agent."""
CHUNK = 65536


class Relay:
    """Listens on a free port of `address` while the context lasts.

    Args:
        address: Where to listen.
        target: Gives the address of the VM, or None while it has none.
        port: Port of the VM.
    """

    def __init__(self, address: str, target: Callable[[], str | None], port: int) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                server = _connect(self.request, target, port)
                if server is not None:
                    with server:
                        _pump(self.request, server)

        self._server = socketserver.ThreadingTCPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Relay:
        threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _connect(client: socket.socket, target: Callable[[], str | None], port: int) -> socket.socket | None:
    """Connect as soon as the VM answers; None if the client has left, or time is up."""
    deadline = time.monotonic() + HOLD
    while time.monotonic() < deadline and not _left(client):
        address = target()
        if address is not None:
            try:
                return socket.create_connection((address, port), timeout=POLL)
            except OSError:
                pass
        time.sleep(POLL)
    return None


def _left(client: socket.socket) -> bool:
    readable, _, _ = select.select([client], [], [], 0)
    return bool(readable) and client.recv(1, socket.MSG_PEEK) == b""


def _pump(client: socket.socket, server: socket.socket) -> None:
    """Copy both ways until either side closes."""
    server.settimeout(None)
    other = {client: server, server: client}
    while True:
        for source in select.select([client, server], [], [])[0]:
            try:
                data = source.recv(CHUNK)
                if not data:
                    return
                other[source].sendall(data)
            except OSError:
                return
