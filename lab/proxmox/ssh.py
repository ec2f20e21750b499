"""sshd of a guest: asyncssh on the guest's address, every command in the guest's sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import posixpath
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Protocol

import asyncssh

from lab.proxmox.accounts import (
    Account,
    account,
    key_login,
    key_matches,
    password_login,
    password_matches,
    sshd_option,
)
from lab.proxmox.sandbox import ended

CHUNK = 1 << 16
LOCALE_VARIABLES = ("LANG", "LC_")
"""What Debian's sshd accepts from a client (`AcceptEnv LANG LC_*`)."""


class Host(Protocol):
    """The guest that an sshd serves."""

    @property
    def root(self) -> Path: ...

    def spawn(self, argv: list[str], user: Account, environment: Mapping[str, str], **pipes: object) -> Process: ...


Process = subprocess.Popen[bytes]


class SshdError(Exception):
    """sshd does not start."""


class Sshd:
    """sshd of one guest, from `listen` to `close`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self.connections: set[asyncssh.SSHServerConnection] = set()

    async def listen(self, address: str) -> None:
        """Listen on the port that the guest's sshd_config names.

        Raises:
            SshdError: there is no host key, or the port cannot be bound.
        """
        keys = sorted((self._host.root / "etc/ssh").glob("ssh_host_*_key"))
        if not keys:
            raise SshdError("sshd: no hostkeys available -- exiting.")
        port = int(sshd_option(self._host.root, "Port", "22"))
        try:
            self._acceptor = await asyncssh.listen(
                address,
                port,
                server_factory=lambda: _Login(self._host.root, self.connections),
                server_host_keys=[str(key) for key in keys],
                process_factory=lambda process: _serve(self._host, process),
                sftp_factory=lambda channel: _Sftp(channel, self._host.root),
                encoding=None,
                line_editor=False,
            )
        except OSError as error:
            raise SshdError(f"sshd: Bind to port {port} on {address} failed: {error.strerror}") from None

    def close(self) -> None:
        """Stop at once: clients find their connection broken, as when a machine loses power."""
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(self.connections):
            connection.abort()


class _Login(asyncssh.SSHServer):
    def __init__(self, root: Path, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._root = root
        self._connections = connections
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._user = username
        return True

    def password_auth_supported(self) -> bool:
        return password_login(self._root, self._user)

    async def validate_password(self, username: str, password: str) -> bool:
        # A bcrypt hash takes a tenth of a second: not in the loop that serves every other guest.
        known = account(self._root, username) is not None
        return await asyncio.to_thread(password_matches, self._root, username, password) and known

    def public_key_auth_supported(self) -> bool:
        return key_login(self._root, self._user)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        user = account(self._root, username)
        algorithm, blob = key.export_public_key().decode().split()[:2]
        return user is not None and key_matches(self._root, user, algorithm, blob)


class _Sftp(asyncssh.SFTPServer):
    """Files of the guest; a relative path starts at the user's home, as with OpenSSH."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path) -> None:
        user = account(root, channel.get_extra_info("username"))
        self._home = (user.home if user else "/").encode()
        super().__init__(channel, chroot=os.fsencode(root))

    def map_path(self, path: bytes) -> bytes:
        return super().map_path(posixpath.join(self._home, path))


async def _serve(host: Host, process: asyncssh.SSHServerProcess[bytes]) -> None:
    user = account(host.root, process.get_extra_info("username"))
    if user is None:
        process.exit(1)
        return
    argv = [user.shell, "-c", process.command] if process.command else [user.shell, "-l"]
    environment = {name: value for name, value in process.env.items() if name.startswith(LOCALE_VARIABLES)}
    if terminal := process.get_terminal_type():
        child, stdin = await _spawn_in_terminal(host, process, argv, user, environment | {"TERM": terminal})
    else:
        pipe = subprocess.PIPE
        child = host.spawn(argv, user, environment, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        assert child.stdin is not None
        stdin = child.stdin
        # No end of output before the exit status: OpenSSH's client closes a session whose two directions have
        # ended, asyncssh then closes it as well, and the exit status is lost (code 255).
        await process.redirect(stdout=child.stdout, stderr=child.stderr, send_eof=False)
    feeding = asyncio.create_task(_feed(process.stdin, stdin))
    code = await ended(child)
    feeding.cancel()
    await process.stdout.drain()
    await process.stderr.drain()
    process.exit(code if code >= 0 else 128 - code)
    # Closing the pipes is a task of its own, and asyncssh leaves it undone unless somebody waits for it.
    await process.wait_closed()


async def _spawn_in_terminal(
    host: Host,
    process: asyncssh.SSHServerProcess[bytes],
    argv: list[str],
    user: Account,
    environment: Mapping[str, str],
) -> tuple[Process, IO[bytes]]:
    ours, theirs = os.openpty()
    width, height = process.get_terminal_size()[:2]
    if width and height:
        termios.tcsetwinsize(ours, (height, width))
    child = host.spawn(
        argv,
        user,
        environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    await process.redirect(stdout=ours, send_eof=False)
    return child, os.fdopen(os.dup(ours), "wb", buffering=0)


async def _feed(source: asyncssh.SSHReader[bytes], pipe: IO[bytes]) -> None:
    """Pass a command what the client sends, to its end.

    asyncssh's own redirection of an input loses the end of one that is larger than a pipe's buffer.
    """
    os.set_blocking(pipe.fileno(), False)
    with pipe, contextlib.suppress(OSError, asyncssh.Error):
        while data := await _read(source, pipe):
            while data:
                # None from an unbuffered pipe that is full.
                data = data[pipe.write(data) or 0 :]
                if data:
                    await _writable(pipe)


async def _read(source: asyncssh.SSHReader[bytes], pipe: IO[bytes]) -> bytes:
    while True:
        try:
            return await source.read(CHUNK)
        except asyncssh.TerminalSizeChanged as change:
            termios.tcsetwinsize(pipe.fileno(), (change.height, change.width))
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            continue


async def _writable(pipe: IO[bytes]) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(pipe, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(pipe)
