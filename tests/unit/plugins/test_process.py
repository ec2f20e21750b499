"""The process `python -m lab.plugins`."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from lab.layout import REPOSITORY
from lab.plugins import wire
from tests.unit.plugins.provider_client import Engine

LONGEST = 120
"""Seconds that a start or an end may take on a busy machine."""


def start(ports_file: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab.plugins", "--ports-file", ports_file, *options],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


def ports(file: Path, process: subprocess.Popen[str]) -> dict[str, int]:
    """The ports, once the process says that it serves."""
    assert process.stderr
    line = process.stderr.readline()
    assert "serving" in line, line
    loaded: dict[str, int] = json.loads(file.read_text())
    return loaded


@pytest.fixture
def ports_file(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def test_serves_what_is_asked_for_and_ends_what_it_started(ports_file: Path, tmp_path: Path) -> None:
    process = start(ports_file, "--only", "random,command")
    try:
        found = ports(ports_file, process)
        assert found.keys() == {"random", "command"}
        engine = Engine(found["command"], {})
        started = tmp_path / "started"
        os.mkfifo(started)
        properties = wire.encode_map({"create": f"echo $$ > {started}; exec sleep 600"})
        request = provider_pb2.CreateRequest(urn=engine.urn("command:local:Command"), properties=properties)
        running = engine.stub.Create.future(request)
        pid = int(started.read_text())
        command = os.pidfd_open(pid)
        process.terminate()
        assert process.wait(LONGEST) == 0
        assert isinstance(running.exception(LONGEST), grpc.RpcError)
        assert select.select([command], [], [], LONGEST)[0], "it has ended"
        os.close(command)
        engine.channel.close()
    finally:
        process.kill()
        process.communicate()


def test_unknown_plugins_are_refused(ports_file: Path) -> None:
    process = start(ports_file, "--only", "random,aws")
    assert "unknown plugin aws: one of random, tls, command, proxmoxve, kubernetes" in process.communicate()[1]
    assert process.returncode == 2
    assert not ports_file.exists()
