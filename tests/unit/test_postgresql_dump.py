"""The nightly dump's script, with a `pg_dump` that says what it was asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components import workload
from components.socle.postgresql import DUMP_SCHEDULE, KEPT, LEAST, script
from settings import Storage

PG_DUMP = """#!/bin/sh
for each; do case $each in --file=*) echo "$PGDATABASE at $PGHOST" > "${each#--file=}";; esac; done
exit ${FAILS:-0}
"""
DF = """#!/bin/sh
echo Avail
[ $(ls "$FOLDER"/*.dump | wc -l) -le ${FITS:-1000} ] && echo 1048576 || echo 4
"""
"""As of a volume on which `$FITS` dumps leave room for another."""
NIGHTS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The volume, with dumps of some nights, what a killed job left, and what somebody else has put there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("pg_dump", PG_DUMP), ("df", DF)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    folder = tmp_path / "dumps"
    (folder / "lost+found").mkdir(parents=True)
    for night in range(1, NIGHTS + 1):
        (folder / f"authentik-2026010{night}T021700Z.dump").write_text(f"{night}" * 4096)
    (folder / "authentik-20260105T021700Z.dump.part").touch()
    (folder / "notes.txt").touch()
    return folder


def dump(folder: Path, kept: int, **variables: str) -> int:
    environment = {
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "PGHOST": "authentik-postgresql",
        "PGDATABASE": "authentik",
        "FOLDER": str(folder),
        "KEPT": str(kept),
        "LEAST": "2",
        **variables,
    }
    return subprocess.run(["sh", "-c", script("dump")], env=environment, check=False).returncode


def dumps(folder: Path) -> list[Path]:
    return sorted(folder.glob("authentik-*"))


def complete(folder: Path) -> list[Path]:
    return sorted(folder.glob("authentik-*.dump"))


@pytest.mark.parametrize(
    ("kept", "fits", "stay"),
    [
        pytest.param(4, 1000, 3, id="as many as are kept"),
        pytest.param(14, 1000, NIGHTS, id="all there are"),
        pytest.param(14, 3, 3, id="as many as there is room for"),
        pytest.param(14, 0, 2, id="the least, and the dump is tried"),
    ],
)
def test_the_newest_stay(folder: Path, kept: int, fits: int, stay: int) -> None:
    before = complete(folder)
    assert dump(folder, kept, FITS=str(fits)) == 0
    *older, newest = complete(folder)
    assert newest.read_text() == "authentik at authentik-postgresql\n"
    assert newest.stat().st_mode & 0o077 == 0
    assert older == before[-stay:]
    assert sorted(path.name for path in folder.iterdir() if path not in complete(folder)) == ["lost+found", "notes.txt"]


def test_the_first_dump(folder: Path) -> None:
    for path in complete(folder):
        path.unlink()
    assert dump(folder, 14) == 0
    assert len(complete(folder)) == 1


def test_dumps_that_fail_night_after_night_cost_no_more_than_their_room(folder: Path) -> None:
    before = complete(folder)
    assert [dump(folder, 4, FAILS="3") for _ in range(3)] == [3, 3, 3]
    assert complete(folder) == before[-3:]


def test_what_the_last_trial_restored_is_among_the_least() -> None:
    """Six nights and the trial's own lie between two trials, and the dump of the next one's night comes first."""
    assert 7 < LEAST < KEPT


def test_the_volume_is_backed_up_the_same_night() -> None:
    """By default, Longhorn's backups begin once the dump has ended, however long it took."""

    def seconds(cron: str) -> int:
        minute, hour, *others = cron.split()
        assert others == ["*", "*", "*"]
        return (int(hour) * 60 + int(minute)) * 60

    assert seconds(DUMP_SCHEDULE) + workload.LONGEST_JOB <= seconds(Storage().backups.cron)
