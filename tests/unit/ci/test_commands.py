"""The pipeline's commands on previews that were kept, and their exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.__main__ import DIFFERS, FAILED, main
from ci.brake import LABEL
from ci.engine import Record
from ci.renewal import OthersError, Renewal
from settings import Settings
from tests.gitlab_server import GitLabServer, running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "previews"


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitLabServer]:
    with running() as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        yield server


def test_the_note_of_all_sites_is_posted_and_kept(folder: Path, gitlab: GitLabServer) -> None:
    Record("paris", {"changeSummary": {"same": 82}}).write(folder)
    Record("lille", skipped=True).write(folder)
    assert main(["note", "--post", "--expect", "paris", "lille", "backup"]) == 0
    (note,) = gitlab.notes
    for row in (
        "| paris | - | - | - | - | 82 |",
        "| lille | - | - | - | - | skipped |",
        "| backup | - | - | - | - | failed |",
    ):
        assert row in note["body"]
        assert row in (folder / "note.md").read_text()


def test_the_note_says_that_every_preview_has_failed(folder: Path, gitlab: GitLabServer) -> None:
    """Their jobs ended before they could keep anything: there is no artifact, so no folder either."""
    assert main(["note", "--post", "--expect", "paris", "lille"]) == 0
    (note,) = gitlab.notes
    for row in ("| lille | - | - | - | - | failed |", "| paris | - | - | - | - | failed |"):
        assert row in note["body"]
        assert row in (folder / "note.md").read_text()


def test_the_note_is_printed_where_there_is_no_merge_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Record("paris").write(folder)
    assert main(["note"]) == 0
    assert "paris: no changes" in capsys.readouterr().out


def test_a_note_is_posted_on_a_merge_request_only(
    folder: Path, gitlab: GitLabServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI_MERGE_REQUEST_IID")
    Record("paris").write(folder)
    assert main(["note", "--post"]) == FAILED
    assert capsys.readouterr().err.startswith("ci: not set: CI_MERGE_REQUEST_IID")
    assert gitlab.notes == []


def test_labels_are_those_of_a_commit(
    folder: Path, gitlab: GitLabServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI_COMMIT_SHA", raising=False)
    Record("paris", refused=("too much",)).write(folder)
    assert main(["brake", "--labels"]) == FAILED
    assert capsys.readouterr().err.startswith("ci: not set: CI_COMMIT_SHA")


def test_there_is_no_engine(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert main(["drift", "paris"]) == FAILED
    assert capsys.readouterr().err.startswith("ci: there is no `pulumi` on the PATH: install it")


def test_settings_that_are_not_valid_are_no_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def save(*_: object) -> None:
        Settings.read(Path("Pulumi.nowhere.yaml"))

    monkeypatch.setattr("ci.states.save", save)
    assert main(["save", "nowhere"]) == FAILED
    assert capsys.readouterr().err.startswith("ci: Pulumi.nowhere.yaml: ")


def test_the_brake_refuses_accepts_and_passes(folder: Path, gitlab: GitLabServer) -> None:
    Record("lille").write(folder)
    assert main(["brake"]) == 0
    Record("paris", refused=("too much",)).write(folder)
    assert main(["brake", "lille"]) == 0
    assert main(["brake", "--labels"]) == FAILED
    gitlab.labels = [LABEL]
    assert main(["brake"]) == FAILED
    assert main(["brake", "--labels"]) == 0


def test_a_run_needs_a_preview_that_went_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "paris"]) == FAILED
    assert "not there: previews/paris.json; run `python -m ci preview SITE` first" in capsys.readouterr().err
    Record("paris", {"diagnostics": [{"severity": "error", "message": "no"}]}).write(folder)
    assert main(["up", "paris"]) == FAILED
    assert "paris: its preview failed" in capsys.readouterr().err


def test_an_operation_that_is_not_known_is_no_traceback(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Record("paris", {"steps": [{"op": "teleport"}]}).write(folder)
    assert main(["note"]) == FAILED
    assert capsys.readouterr().err.startswith("ci: the preview of paris holds operations that are not known: teleport")


def test_a_renewal_that_waits_has_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> list[str]:
        raise OthersError("more would change")

    monkeypatch.setattr("ci.engine.Stack.open", lambda _: None)
    monkeypatch.setattr("ci.renewal.renew", refuse)
    assert main(["renew", "paris"]) == DIFFERS


@pytest.mark.parametrize(("code", "state"), [(1, "opened"), (0, None)], ids=["fails", "passes"])
def test_checks_that_fail_are_an_issue(folder: Path, gitlab: GitLabServer, code: int, state: str | None) -> None:
    (folder.parent / "verify.py").write_text(f"print('dns  ef-fr.dev  FAIL')\nraise SystemExit({code})\n")
    assert main(["verify", "paris", "--report"]) == code
    assert [issue["state"] for issue in gitlab.issues] == ([state] if state else [])
    for issue in gitlab.issues:
        assert issue["title"] == "Verify: paris"
        assert issue["description"].startswith("```text\ndns")


def test_a_site_that_cannot_be_looked_at_is_no_news_of_it(
    folder: Path, gitlab: GitLabServer, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "verify.py").write_text("raise SystemExit('verify: no backend')\n")
    assert main(["verify", "paris", "--report"]) == FAILED
    assert "no backend" in capfd.readouterr().err
    assert gitlab.issues == []


def test_a_renewal_says_what_it_has_left_to_a_person(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ci.engine.Stack.open", lambda _: None)
    monkeypatch.setattr("ci.renewal.renew", lambda _: Renewal(("a.dev, *.a.dev", "b.dev"), ("kubeconfig paris",)))
    assert main(["renew", "paris"]) == 0
    assert capsys.readouterr().out == (
        "paris: renewed 2: a.dev, *.a.dev, b.dev\n"
        "paris: due as well, and left to the next run of a person: kubeconfig paris\n"
    )
