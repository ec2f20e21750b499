"""What is taken from the PATH, what is remembered, and who may work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.layout import REPOSITORY
from lab.toolchain import Toolchain, ToolchainError
from lab.toolchain.estimate import Estimate
from lab.toolchain.gobuild import Go
from lab.toolchain.lock import lock
from lab.toolchain.tools import Tool
from lab.toolchain.versions import Range
from tests.unit.toolchain.conftest import HELLO, program, toolchain


def test_a_fitting_program_on_the_path_is_taken(tmp_path: Path) -> None:
    program(tmp_path / "old", "hello", "hello 1.1.9")
    fitting = program(tmp_path / "new", "hello", "hello 1.2.9")
    path = f"{tmp_path / 'old'}{os.pathsep}{tmp_path / 'new'}"
    found = Toolchain([HELLO], cache=tmp_path / "cache", path=path, ignore=[]).ensure()["hello"]
    assert (found.path, found.version, found.source) == (fitting, "1.2.9", "path")


def test_the_labs_own_links_do_not_count_as_found(tmp_path: Path) -> None:
    program(tmp_path / "lab" / "bin", "tool", "tool 1.2.3")
    tool = Tool("tool", "1.2.3", Range("1.2"), ("--version",))
    chain = Toolchain([tool], cache=tmp_path / "cache", path=str(tmp_path / "lab" / "bin"), ignore=[tmp_path / "lab"])
    with pytest.raises(ToolchainError, match="put it on the PATH"):
        chain.ensure()


def test_parts_come_from_beside_the_whole(tmp_path: Path) -> None:
    whole = Tool("whole", "1.2.3", Range("1.2.3", "1.2.4"), ("--version",))
    part = Tool("part", "0.9.0", Range("1.2.3", "1.2.4"), part_of="whole")
    program(tmp_path / "bin", "whole", "v1.2.3")
    beside = program(tmp_path / "bin", "part", "")
    found = toolchain(tmp_path, whole, part, path=tmp_path / "bin").ensure()["part"]
    assert (found.path, found.version, found.source) == (beside, "1.2.3", "path")


def test_the_stamp_notices_a_new_program_a_changed_one_and_a_lost_one(tmp_path: Path, go: Go) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    assert toolchain(tmp_path, HELLO, path=folder, go=go).ensure()["hello"].source == "Go module"
    official = program(folder, "hello", "hello 1.2.8")
    assert toolchain(tmp_path, HELLO, path=folder, go=go).ensure()["hello"].version == "1.2.8"
    official.write_text("#!/bin/sh\necho hello 1.2.10\n")
    assert toolchain(tmp_path, HELLO, path=folder, go=go).ensure()["hello"].version == "1.2.10"
    official.unlink()
    assert toolchain(tmp_path, HELLO, path=folder, go=go).ensure()["hello"].source == "Go module"


def test_an_unreadable_stamp_is_made_again(tmp_path: Path) -> None:
    program(tmp_path / "bin", "hello", "hello 1.2.3")
    chain = toolchain(tmp_path, HELLO, path=tmp_path / "bin")
    chain.ensure()
    stamp = tmp_path / "cache" / "resolved.json"
    stamp.write_text("{")
    assert chain.ensure()["hello"].source == "path"
    assert json.loads(stamp.read_text())


def test_links_for_the_path(tmp_path: Path) -> None:
    real = program(tmp_path / "bin", "hello", "hello 1.2.3")
    home = tmp_path / "lab"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "gone").symlink_to("/nowhere")
    folder = toolchain(tmp_path, HELLO, path=tmp_path / "bin").bin_dir(home)
    assert {link.name: link.readlink() for link in folder.iterdir()} == {"hello": real}


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such tools in the manifest: nosuch"):
        toolchain(tmp_path, HELLO).ensure(["hello", "nosuch"])


HOLDER = """
import pathlib, sys
from lab.toolchain.lock import lock
with lock(pathlib.Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_prepare_tools_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        said: list[str] = []

        def told(message: str) -> None:
            said.append(message)
            # Killed, not told to end: the lock goes with its holder.
            holder.kill()

        with lock(file, told):
            assert said == [f"waiting for process {holder.pid}, which prepares tools"]
            assert file.read_text() == str(os.getpid())


def test_estimate_follows_the_pace_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    estimate = Estimate([300, 60, 60])
    estimate.begin()
    assert estimate.left() == 420
    now = 150
    assert str(estimate) == "about 4 min left"
    estimate.end(typical=True)
    estimate.begin()
    # Twice as fast as measured, but for the 30 s that the estimate starts from.
    assert 60 < estimate.left() < 70
    estimate.end(typical=False)
    estimate.begin()
    now += 200
    assert str(estimate) == "almost done"
