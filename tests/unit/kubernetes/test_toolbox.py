"""Kubespray's checkout and the cache it lives in."""

import subprocess
import threading
from pathlib import Path

import pytest

from components.ansible import ToolboxError
from components.kubernetes import toolbox


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "oss-nextgen"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits and an annotated tag on the first."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for text in ("one", "two"):
        (folder / "cluster.yml").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", text)
    git(folder, "tag", "--annotate", "--message", "release", "v1", "HEAD~")
    return folder


def test_the_pinned_commit_is_checked_out_not_the_newest(repository: Path, cache: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD~")
    folder = toolbox.checkout(str(repository), commit)
    assert folder == cache / "kubespray" / commit
    assert (folder / "cluster.yml").read_text() == "one"


def test_a_checkout_needs_the_repository_once(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert toolbox.checkout(str(repository), commit) == toolbox.checkout("/nowhere", commit)


def test_a_tag_object_is_not_a_commit(repository: Path) -> None:
    with pytest.raises(ToolboxError, match="check the pin"):
        toolbox.checkout(str(repository), git(repository, "rev-parse", "v1"))


@pytest.mark.parametrize("repository", ["/nowhere", "--upload-pack=evil"])
def test_a_repository_that_cannot_be_read_is_named(repository: str, cache: Path) -> None:
    with pytest.raises(ToolboxError, match=r"kubernetes\.kubespray in the stack file"):
        toolbox.checkout(repository, "1" * 40)
    assert not (cache / "kubespray" / ("1" * 40)).exists()


def test_what_a_killed_run_left_behind_is_not_used(repository: Path, cache: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    unfinished = cache / "kubespray" / f"{commit}.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "stale").touch()
    assert not (toolbox.checkout(str(repository), commit) / "stale").exists()


def test_two_runs_at_once_take_turns(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    fetched: list[str] = []
    monkeypatch.setattr(toolbox, "show", fetched.append)
    threads = [threading.Thread(target=toolbox.checkout, args=(str(repository), commit)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
