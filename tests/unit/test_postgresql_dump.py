"""The nightly dump's script, with a `pg_dump` that says what it was asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components import workload
from components.socle.postgresql_dump import SCHEDULE, SCRIPT
from settings import Storage

PG_DUMP = """#!/bin/sh
for each; do case $each in --file=*) echo "$PGDATABASE at $PGHOST" > "${each#--file=}";; esac; done
exit ${FAILS:-0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The volume, with dumps of three nights, what a killed job left, and what somebody else has put there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pg_dump").write_text(PG_DUMP)
    (programs / "pg_dump").chmod(0o755)
    folder = tmp_path / "dumps"
    (folder / "lost+found").mkdir(parents=True)
    for night in (1, 2, 3):
        (folder / f"authentik-2026010{night}T021700Z.dump").touch()
    (folder / "authentik-20260103T021700Z.dump.part").touch()
    (folder / "notes.txt").touch()
    return folder


def dump(folder: Path, kept: int, **variables: str) -> int:
    environment = {
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "PGHOST": "authentik-postgresql",
        "PGDATABASE": "authentik",
        "FOLDER": str(folder),
        "KEPT": str(kept),
        **variables,
    }
    return subprocess.run(["sh", "-c", SCRIPT.read_text()], env=environment, check=False).returncode


def dumps(folder: Path) -> list[Path]:
    return sorted(folder.glob("authentik-*"))


@pytest.mark.parametrize("kept", [1, 2, 14])
def test_the_newest_stay(folder: Path, kept: int) -> None:
    before = dumps(folder)[:3]
    assert dump(folder, kept) == 0
    *older, newest = dumps(folder)
    assert newest.read_text() == "authentik at authentik-postgresql\n"
    assert newest.stat().st_mode & 0o077 == 0
    assert older == [path for path in before if path.suffix == ".dump"][-(kept - 1) or len(before) :]
    assert (folder / "notes.txt").exists()


def test_a_dump_that_fails_replaces_none(folder: Path) -> None:
    before = [path for path in dumps(folder) if path.suffix == ".dump"]
    assert dump(folder, 1, FAILS="3") == 3
    assert [path for path in dumps(folder) if path.suffix == ".dump"] == before


def test_the_volume_is_backed_up_the_same_night() -> None:
    """By default, Longhorn's backups begin once the dump has ended, however long it took."""

    def seconds(cron: str) -> int:
        minute, hour, *others = cron.split()
        assert others == ["*", "*", "*"]
        return (int(hour) * 60 + int(minute)) * 60

    assert seconds(SCHEDULE) + workload.LONGEST_JOB <= seconds(Storage().backups.cron)
