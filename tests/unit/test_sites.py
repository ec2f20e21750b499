"""Several sites together: their order, those side by side, and one that fails."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

import sites
from settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def board() -> sites.Board:
    return sites.Board(("one", "two", "three"), io.StringIO())


def test_a_site_waits_for_its_backup_server_and_for_the_owner_of_its_parent_zones() -> None:
    found = sites.needs(Settings.read(path) for path in REPOSITORY.glob("Pulumi.*.yaml"))

    others = {site: {"backup", "paris"} for site in ("toulouse", "marseille", "lille")}
    assert found == {"backup": set(), "paris": {"backup"}, **others}


def test_a_site_that_is_not_asked_for_is_not_waited_for() -> None:
    found = sites.needs(Settings.read(REPOSITORY / f"Pulumi.{site}.yaml") for site in ("toulouse", "backup"))

    assert found == {"toulouse": {"backup"}, "backup": set()}


def test_each_comes_after_what_it_needs(board: sites.Board) -> None:
    seen: list[str] = []

    outcomes = sites.run_all({"three": {"two"}, "two": {"one"}, "one": ()}, lambda site, _: seen.append(site), 3, board)

    assert seen == ["one", "two", "three"]
    assert [(each.site, each.failed) for each in outcomes] == [("one", False), ("two", False), ("three", False)]


def test_those_that_need_nothing_of_each_other_run_side_by_side(board: sites.Board) -> None:
    together = threading.Barrier(2, timeout=20)

    def run(site: str, _tell: sites.Tell) -> None:
        if site != "three":
            together.wait()

    outcomes = sites.run_all({"three": {"one", "two"}, "one": (), "two": ()}, run, 2, board)

    assert [each.site for each in outcomes][2:] == ["three"]


def test_one_that_fails_stops_no_other() -> None:
    shown = io.StringIO()

    def run(site: str, tell: sites.Tell) -> None:
        tell(f"up of {site}\n")
        if site == "one":
            raise sites.SiteError("the engine failed")

    outcomes = sites.run_all({"two": {"one"}, "one": ()}, run, 2, sites.Board(("one", "two"), shown))

    assert {each.site: each.failed for each in outcomes} == {"one": True, "two": False}
    assert outcomes[0].tail == ("up of one", "the engine failed")
    lines = sites.summary(outcomes).splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["one", "failed"], ["two", "up"]]
    assert lines[2:] == ["", "one:", "  up of one", "  the engine failed"]
    assert [line.split()[:2] for line in shown.getvalue().splitlines() if "after" in line] == [
        ["one", "failed"],
        ["two", "is"],
    ]


def test_a_terminal_shows_a_line_for_each_site() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()

    sites.run_all({"one": (), "two": ()}, lambda _, tell: tell("Updating\n"), 1, sites.Board(("one", "two"), shown))

    last = shown.getvalue().rpartition("\x1b[2A")[2]
    drawn = [line.partition("\x1b[K")[2].split()[:2] for line in last.split("\n")]
    assert drawn == [["one", "is"], ["two", "is"], []]


def test_sites_that_wait_for_each_other_are_named(board: sites.Board) -> None:
    with pytest.raises(sites.SiteError, match=r"one > two > one|two > one > two"):
        sites.run_all({"one": {"two"}, "two": {"one"}}, lambda *_: None, 1, board)


def test_a_site_without_a_stack_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sites", "lyon", "paris"])

    assert sites.main() == 1
    assert capsys.readouterr().err == "there is no Pulumi.lyon.yaml\n"


def test_an_engine_that_is_not_there_is_a_site_that_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not an error that ends the runs of all other sites."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(sites.SiteError, match="install Pulumi"):
        sites.up("paris", print)


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_a_number_of_jobs_that_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    monkeypatch.setattr("sys.argv", ["sites", f"--jobs={jobs}"])
    with pytest.raises(SystemExit, match="2"):
        sites.main()
    assert f"argument --jobs: '{jobs}' is not a number from 1" in capsys.readouterr().err
