"""The script of the weekly trial, with programs of PostgreSQL that write down what they were asked for."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from components.socle.postgresql import script

PROGRAMS = ("initdb", "pg_ctl", "createdb", "pg_restore", "psql")
PROGRAM = """#!/bin/sh
name=${0##*/}
echo "$name at $PGHOST: $*" >> "$SCRATCH/asked"
[ "$name" != psql ] || echo "${TABLES:-7}"
[ "$name" != "${FAILS:-}" ]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The volume, with dumps of two nights and half a one."""
    for name in PROGRAMS:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PROGRAM)
        path.chmod(0o755)
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / "dumps"
    folder.mkdir()
    for name in ("20260101T021700Z.dump", "20260102T021700Z.dump", "20260103T021700Z.dump.part"):
        (folder / f"authentik-{name}").touch()
    return folder


def restore(folder: Path, **variables: str) -> int:
    environment = {
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "PGUSER": "authentik",
        "PGDATABASE": "authentik",
        "FOLDER": str(folder),
        "SCRATCH": str(folder.parent / "scratch"),
        **variables,
    }
    return subprocess.run(["sh", "-c", script("restore")], env=environment, check=False).returncode


def test_the_newest_dump_goes_into_a_server_of_its_own(folder: Path) -> None:
    assert restore(folder) == 0
    scratch = folder.parent / "scratch"
    asked = (scratch / "asked").read_text().splitlines()
    assert {line.partition(":")[0].partition(" at ")[2] for line in asked} == {str(scratch)}
    (restored,) = [line for line in asked if line.startswith("pg_restore")]
    assert restored.endswith(f"--dbname=authentik {folder}/authentik-20260102T021700Z.dump")
    assert "--exit-on-error" in restored


@pytest.mark.parametrize("fails", PROGRAMS)
def test_whatever_fails_is_no_good_restore(folder: Path, fails: str) -> None:
    assert restore(folder, FAILS=fails) != 0


def test_a_database_without_tables_is_no_good_restore(folder: Path) -> None:
    assert restore(folder, TABLES="0") != 0


@pytest.mark.parametrize(("hours", "good"), [(47, True), (49, False)])
def test_an_old_dump_is_no_good_restore(folder: Path, hours: int, good: bool) -> None:
    """The nightly dumps have stopped: what the last one holds is of no use for today's database."""
    then = time.time() - hours * 3600
    os.utime(folder / "authentik-20260102T021700Z.dump", (then, then))
    assert (restore(folder) == 0) is good


def test_without_a_dump_nothing_is_proved(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    assert restore(folder) != 0
