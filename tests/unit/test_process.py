"""A long command ends with the engine that it works for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from lab.layout import REPOSITORY

PROVIDER = """
from pathlib import Path
from components.process import run
run("a build", ["sh", "-c", 'trap "touch cleaned; exit 1" INT; echo $$ > pid; while :; do sleep 0.1; done'],
    cwd=Path({folder!r}), env={{}})
"""
"""A provider whose command cleans up when it is interrupted."""


def test_a_command_is_interrupted_when_its_engine_was_killed(tmp_path: Path) -> None:
    (tmp_path / "pulumi").symlink_to("/bin/sh")
    provider = tmp_path / "provider.py"
    provider.write_text(PROVIDER.format(folder=str(tmp_path)))
    # As the engine does: a script of its own starts the provider, and outlives the engine.
    script = f"env --default-signal=INT {sys.executable} {provider}; true"
    engine = subprocess.Popen(
        [tmp_path / "pulumi", "-c", f"sh -c '{script}'; true"], env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin"}
    )
    children: list[psutil.Process] = []
    try:
        _wait_for((tmp_path / "pid").exists)
        children = psutil.Process(engine.pid).children(recursive=True)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        _wait_for((tmp_path / "cleaned").exists)
        assert psutil.wait_procs(children, timeout=20)[1] == []
    finally:
        engine.kill()
        engine.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def _wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
