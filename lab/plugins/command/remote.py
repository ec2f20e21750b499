"""Commands on another machine, over SSH."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, ClassVar, Final

import asyncssh

from lab.plugins.base import Call, Failure, Props, ResourceError, validate
from lab.plugins.command.lifecycle import Command, Logger, Result

# At INFO, asyncssh logs each command, secrets and all.
asyncssh.set_log_level(logging.WARNING)

PROXY_INPUTS: Final = {
    "agentSocketPath": "string",
    "dialErrorLimit": "integer",
    "host": "string",
    "hostKey": "string",
    "password": "string",
    "perDialTimeout": "integer",
    "port": "number",
    "privateKey": "string",
    "privateKeyPassword": "string",
    "user": "string",
}
CONNECTION_INPUTS: Final = {**PROXY_INPUTS, "proxy": "object"}
DEFAULTS: Final[Props] = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
"""Seconds between two attempts to connect, doubled each time."""


class RemoteCommand(Command):
    """A command in the login shell of a machine that is reached over SSH.

    The environment is only seen if the SSH server accepts its variables (AcceptEnv).
    """

    token = "command:remote:Command"
    inputs: ClassVar[Mapping[str, str]] = {**Command.inputs, "connection": "object"}
    required = frozenset({"connection"})
    secret_outputs = frozenset({"connection"})
    shown = frozenset(f"connection.{part}" for part in ("host", "user", "proxy.host", "proxy.user"))
    secret_flow: ClassVar[Mapping[str, frozenset[str]]] = {
        "stdout": frozenset(inputs),
        "stderr": frozenset(inputs),
    }

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        inputs, failures = super().check(inputs, olds, call)
        connection = inputs.get("connection")
        if isinstance(connection, dict):
            failures += _connection_failures("connection", connection, CONNECTION_INPUTS)
            if isinstance(connection.get("proxy"), dict):
                failures += _connection_failures("connection.proxy", connection["proxy"], PROXY_INPUTS)
        return inputs, failures

    def execute(self, command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
        return asyncio.run(_execute(command, inputs, environment, call))


def _connection_failures(path: str, connection: Props, types: Mapping[str, str]) -> list[Failure]:
    found = validate(f"command:remote {path}", connection, types, frozenset({"host"}))
    host_key = connection.get("hostKey")
    if isinstance(host_key, str) and _host_key(host_key) is None:
        found.append(Failure("hostKey", "is no public key such as `ssh-ed25519 AAAA...`"))
    return [Failure(f"{path}.{failure.property}", failure.reason) for failure in found]


def _host_key(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return None


async def _execute(command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
    work = asyncio.ensure_future(_run(command, inputs, environment, call))
    given_up = asyncio.ensure_future(asyncio.to_thread(call.cancelled.wait))
    done, _ = await asyncio.wait({work, given_up}, timeout=call.timeout or None, return_when=asyncio.FIRST_COMPLETED)
    # The thread that waits for the engine must end with the command.
    call.cancelled.set()
    await given_up
    if work in done:
        return work.result()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return Result("cancelled" if given_up in done else f"not done after {call.timeout:.0f} s", "", "", "")


async def _run(command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
    async with AsyncExitStack() as stack:
        connection = await _connect(inputs["connection"], stack, call)
        process = await connection.create_process(command, env=dict(environment), encoding="utf-8", errors="replace")
        stack.callback(process.close)
        logger = Logger(call.log, inputs.get("logging"))
        texts = {"stdout": "", "stderr": "", "combined": ""}

        async def follow(stream: str, reader: asyncssh.SSHReader[str]) -> None:
            while text := await reader.read(65536):
                logger.feed(stream, text)
                texts[stream] += text
                texts["combined"] += text

        # A command may end before it is told anything.
        with suppress(BrokenPipeError):
            process.stdin.write(inputs.get("stdin") or "")
            process.stdin.write_eof()
        await asyncio.gather(follow("stdout", process.stdout), follow("stderr", process.stderr))
        ended = await process.wait()
        logger.close()
        return Result(_status(ended), **texts)


def _status(ended: asyncssh.SSHCompletedProcess) -> str:
    if ended.exit_signal:
        return f"signal: {ended.exit_signal[0]}"
    if ended.exit_status is None:
        return "the connection was lost"
    return f"Process exited with status {ended.exit_status}" if ended.exit_status else ""


async def _connect(settings: Props, stack: AsyncExitStack, call: Call) -> asyncssh.SSHClientConnection:
    """Connect, through a proxy if there is one, retrying up to `dialErrorLimit` errors (-1: for ever)."""
    values = {**DEFAULTS, **{name: value for name, value in settings.items() if value is not None}}
    proxy = values.get("proxy")
    tunnel = await _connect(proxy, stack, call) if proxy else ()
    options = _options(values)
    errors, delay = 0, FIRST_DELAY
    while True:
        try:
            connection = await asyncssh.connect(**options, tunnel=tunnel)
        except (OSError, asyncssh.Error) as error:
            errors += 1
            where = f"{values['user']}@{values['host']}:{values['port']}"
            problem = f"{type(error).__name__}: {error}"
            if 0 <= values["dialErrorLimit"] < errors:
                raise ResourceError(f"cannot connect to {where} after {errors} attempts: {problem}") from None
            call.log(f"attempt {errors} to connect to {where} failed: {problem}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
        else:
            return await stack.enter_async_context(connection)


def _options(values: Props) -> dict[str, Any]:
    """asyncssh's arguments. Nothing of the user's own SSH set-up takes part."""
    key = values.get("privateKey")
    try:
        keys = [asyncssh.import_private_key(key, values.get("privateKeyPassword"))] if key else None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise ResourceError(f"connection.privateKey to {values['host']} is no private key that can be read") from None
    host_key = values.get("hostKey")
    return {
        "host": values["host"],
        "port": int(values["port"]),
        "username": values["user"],
        "password": values.get("password"),
        "client_keys": keys,
        "agent_path": values.get("agentSocketPath"),
        "known_hosts": ([_host_key(host_key)], [], []) if host_key else None,
        "connect_timeout": values["perDialTimeout"] or None,
        "login_timeout": values["perDialTimeout"] or 0,
        "gss_auth": False,
        "config": None,
    }
