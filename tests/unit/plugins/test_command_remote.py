"""Remote commands, against a real SSH server in this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import pytest

from lab.plugins.base import Call, Props, ResourceError
from lab.plugins.command.remote import RemoteCommand

PASSWORD = "correct horse"


@dataclass
class Server:
    """Answers commands by name; `hang` waits for the client to leave, `at once` reads nothing."""

    port: int = 0
    user_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    hanging: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    async def answer(self, process: asyncssh.SSHServerProcess[str]) -> None:
        if process.command == "hang":
            self.hanging.set()
            try:
                await process.stdin.read()
                await process.wait_closed()
            finally:
                self.left.set()
            return
        text = "" if process.command == "at once" else await process.stdin.read()
        process.stdout.write(f"{process.command} {dict(process.env)} {text}\n")
        process.stderr.write("to stderr\n")
        process.exit(4 if process.command == "fail" else 0)

    def leave(self, cancelled: threading.Event) -> None:
        """Give up as soon as the command hangs."""
        self.hanging.wait(10)
        cancelled.set()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        key = self.user_key.export_public_key().decode()
        listener = await asyncssh.listen(
            "127.81.0.1",
            0,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(key),
            server_factory=PasswordServer,
            process_factory=self.answer,
        )
        self.port = listener.get_port()
        ready.set()
        await stop.wait()
        listener.close()
        await listener.wait_closed()

    def connection(self, **more: object) -> Props:
        key = self.user_key.export_private_key().decode()
        return {"host": "127.81.0.1", "port": self.port, "user": "ossng", "privateKey": key, **more}


class PasswordServer(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


@pytest.fixture
def server() -> Iterator[Server]:
    server, ready, stop = Server(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(ready, stop)))
    thread.start()
    assert ready.wait(10)
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_key_login_environment_and_stdin(server: Server, call: Call) -> None:
    inputs = {
        "connection": server.connection(),
        "create": "greet",
        "environment": {"NAME": "x"},
        "stdin": "typed",
    }
    _, outputs = RemoteCommand().create(inputs, call)
    assert outputs["stdout"] == "greet {'NAME': 'x'} typed"
    assert outputs["stderr"] == "to stderr"


def test_password_login(server: Server, call: Call) -> None:
    connection = {"host": "127.81.0.1", "port": server.port, "password": PASSWORD}
    assert RemoteCommand().create({"connection": connection, "create": "greet"}, call)[1]["stdout"].startswith("greet")


def test_through_a_proxy(server: Server, call: Call) -> None:
    """The server forwards no connections: that the proxy is used shows in its refusal."""
    connection = server.connection(proxy=server.connection(), dialErrorLimit=0)
    with pytest.raises(ResourceError, match="ChannelOpenError"):
        RemoteCommand().create({"connection": connection, "create": "greet"}, call)


def test_failure(server: Server, call: Call) -> None:
    with pytest.raises(ResourceError, match=r"Process exited with status 4: running 'fail':\nfail .*\nto stderr"):
        RemoteCommand().create({"connection": server.connection(), "create": "fail"}, call)


def test_a_command_that_ends_before_it_is_told_anything(
    server: Server, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_process = asyncssh.SSHClientConnection.create_process

    async def ended(*arguments: Any, **more: Any) -> asyncssh.SSHClientProcess[str]:
        process = await create_process(*arguments, **more)
        await process.channel.wait_closed()
        return process

    monkeypatch.setattr(asyncssh.SSHClientConnection, "create_process", ended)
    inputs = {"connection": server.connection(), "create": "at once", "stdin": "too late"}
    assert RemoteCommand().create(inputs, call)[1]["stdout"].startswith("at once")


def test_host_key(server: Server, call: Call) -> None:
    right = server.host_key.export_public_key().decode()
    wrong = server.user_key.export_public_key().decode()
    create = RemoteCommand().create
    assert create({"connection": server.connection(hostKey=right), "create": "greet"}, call)
    with pytest.raises(ResourceError, match="HostKeyNotVerifiable"):
        create(
            {"connection": server.connection(hostKey=wrong, dialErrorLimit=0), "create": "greet"}, Call(None, call.urn)
        )


def test_retries_are_counted_and_named(call: Call) -> None:
    with socket.create_server(("127.81.0.2", 0)) as unused:
        port = unused.getsockname()[1]
    lines: list[str] = []
    call.log = lines.append
    connection = {"host": "127.81.0.2", "port": port, "password": PASSWORD, "dialErrorLimit": 2}
    with pytest.raises(ResourceError, match=f"cannot connect to root@127.81.0.2:{port} after 3 attempts") as caught:
        RemoteCommand().create({"connection": connection, "create": "greet"}, call)
    assert len(lines) == 2
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_a_command_that_is_given_up_loses_its_connection(server: Server, call: Call, how: str) -> None:
    if how == "cancelled":
        threading.Thread(target=server.leave, args=(call.cancelled,)).start()
    else:
        call.timeout = 5.0
    with pytest.raises(ResourceError, match=r"cancelled|not done after 5 s"):
        RemoteCommand().create({"connection": server.connection(), "create": "hang"}, call)
    assert server.left.wait(10)


@pytest.mark.parametrize(
    ("connection", "where"),
    [
        ({}, "connection.host"),
        ({"host": "h", "colour": "red"}, "connection.colour"),
        ({"host": "h", "port": "22"}, "connection.port"),
        ({"host": "h", "hostKey": "no key"}, "connection.hostKey"),
        ({"host": "h", "proxy": {"host": "p", "colour": "red"}}, "connection.proxy.colour"),
    ],
)
def test_refusals(connection: Props, where: str, call: Call) -> None:
    assert [failure.property for failure in RemoteCommand().check({"connection": connection}, None, call)[1]] == [where]


def test_a_bad_key_is_not_shown(server: Server, call: Call) -> None:
    connection = server.connection(privateKey="hunter2")
    with pytest.raises(ResourceError, match="no private key that can be read") as caught:
        RemoteCommand().create({"connection": connection, "create": "greet"}, call)
    assert "hunter2" not in str(caught.value)
