"""The relay between Packer and a VM whose address is told by its guest agent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from lab.packer.relay import Relay

RUNNER, VM = "127.83.48.2", "127.83.49.100"


@pytest.fixture
def sshd() -> Iterator[int]:
    """A server on the VM's address that echoes one message in capitals."""
    with socket.create_server((VM, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])


def test_a_connection_waits_for_the_agent(sshd: int) -> None:
    answers: list[str | None] = [VM, None, None]
    with Relay(RUNNER, answers.pop, sshd) as relay, socket.create_connection((RUNNER, relay.port)) as client:
        client.settimeout(10)
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        assert client.recv(100) == b""
    assert answers == []


def test_a_client_that_left_is_not_served_any_longer() -> None:
    serving: list[threading.Thread] = []
    asked, left = threading.Event(), threading.Event()

    def target() -> None:
        serving.append(threading.current_thread())
        asked.set()
        left.wait(10)

    with Relay(RUNNER, target, 9) as relay:
        with socket.create_connection((RUNNER, relay.port)):
            assert asked.wait(10)
        left.set()
        serving[0].join(10)
        assert not serving[0].is_alive()
