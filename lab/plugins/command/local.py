"""Commands on this machine."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

from lab.plugins.base import Call, Props, ResourceError, validate
from lab.plugins.command.lifecycle import Command, Logger, Result

SHELL: Final = ("/bin/sh", "-c")
WATCH: Final = 0.2
"""Seconds between two looks at whether the engine has given up."""
CHUNK: Final = 65536

PROCESS_INPUTS: Final = {
    "addPreviousOutputInEnv": "boolean",
    "dir": "string",
    "environment": "object",
    "interpreter": "array",
    "logging": "string",
    "stdin": "string",
}


class LocalCommand(Command):
    """A command in a shell of this machine. Its relative paths start at this process's working directory."""

    token = "command:local:Command"
    inputs: ClassVar[Mapping[str, str]] = {**Command.inputs, **PROCESS_INPUTS}
    secret_flow: ClassVar[Mapping[str, frozenset[str]]] = {
        "stdout": frozenset(inputs),
        "stderr": frozenset(inputs),
    }

    def execute(self, command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
        return execute(command, inputs, environment, call)


def run(args: Props, call: Call) -> Props:
    """`command.local.run`: a command that runs at every preview and update."""
    types = {"command": "string", **PROCESS_INPUTS}
    if failures := validate("command:local:run", args, types, frozenset({"command"})):
        raise ResourceError("\n".join(f"{failure.property}: {failure.reason}" for failure in failures))
    result = execute(args["command"], args, args.get("environment") or {}, call)
    return {**args, **result.outputs(args["command"])}


def execute(command: str, inputs: Props, environment: Mapping[str, str], call: Call) -> Result:
    """Run `command` with the environment of this process and more.

    Args:
        inputs: `interpreter`, `dir`, `stdin` and `logging` are used.
        call: Once cancelled or out of time, the command and all that it has started is ended.
    """
    argv = [*(inputs.get("interpreter") or SHELL), command]
    logger = Logger(call.log, inputs.get("logging"))
    with _stdin(inputs.get("stdin")) as stdin:
        try:
            process = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=inputs.get("dir") or Path.cwd(),
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise ResourceError(f"{error.strerror}: {error.filename or argv[0]}: running {command!r}") from None
    with process:
        try:
            return _follow(process, logger, call)
        finally:
            _end(process)


@contextmanager
def _stdin(text: str | None) -> Iterator[BinaryIO | int]:
    """A file in memory: a pipe could fill up before the command reads, and a file on disk would stay."""
    if not text:
        yield subprocess.DEVNULL
        return
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(text.encode())
        file.seek(0)
        yield file


def _follow(process: subprocess.Popen[bytes], logger: Logger, call: Call) -> Result:
    deadline = time.monotonic() + call.timeout if call.timeout else None
    texts = {"stdout": "", "stderr": "", "combined": ""}
    decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
    with selectors.DefaultSelector() as selector:
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select(WATCH):
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                text = decoders[key.data].decode(chunk, final=not chunk)
                logger.feed(key.data, text)
                texts[key.data] += text
                texts["combined"] += text
            if problem := _given_up(call, deadline):
                return Result(problem, **texts)
    logger.close()
    return Result(_status(process.wait()), **texts)


def _given_up(call: Call, deadline: float | None) -> str:
    if call.cancelled.is_set():
        return "cancelled"
    if deadline and time.monotonic() > deadline:
        return f"not done after {call.timeout:.0f} s"
    return ""


def _status(code: int) -> str:
    if code < 0:
        return f"signal: {signal.Signals(-code).name}"
    return f"exit status {code}" if code else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what a command that was given up has started: its process group, as long as that is its own."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
