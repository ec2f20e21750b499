"""A made-up PATH, a local release server and a Go module of one program."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.layout import TOOLS as USER_CACHE
from lab.toolchain import Toolchain
from lab.toolchain.gobuild import Go
from lab.toolchain.tools import GoPackage, Tool
from lab.toolchain.versions import Range

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


class Releases:
    """A release server: what it gives, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""


@pytest.fixture
def releases() -> Iterator[Releases]:
    state = Releases()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Quiet: the test reads `asked`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """A real Go, with one module of one program in place of the lab's."""
    module = tmp_path / "modules" / "hello"
    (module / "cmd" / "hello").mkdir(parents=True)
    (module / "go.mod").write_text("module example.org/hello\n\ngo 1.26\n")
    (module / "cmd" / "hello" / "main.go").write_text(
        'package main\n\nvar version = "dev"\n\nfunc main() { println("hello", version) }\n'
    )
    return Go(USER_CACHE, os.environ["PATH"], tmp_path / "modules")


HELLO = Tool(
    "hello",
    "1.2.3",
    Range("1.2", "1.3"),
    ("--version",),
    build=GoPackage("hello", "./cmd/hello", 1, variables={"main.version": "1.2.3"}),
)


def program(folder: Path, name: str, answer: str) -> Path:
    """A program that prints the same whatever it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)
    return file


def toolchain(tmp_path: Path, *tools: Tool, path: Path | None = None, go: Go | None = None) -> Toolchain:
    return Toolchain(tools, cache=tmp_path / "cache", path=str(path or tmp_path / "empty"), ignore=[], go=go)
