"""Which sites a change of files concerns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci.stacks import changed_since, is_affected


@pytest.mark.parametrize(
    ("paths", "affected"),
    [
        (["Pulumi.paris.yaml"], True),
        (["Pulumi.lille.yaml", "docs/change-control.md", "README.md"], False),
        (["tests/unit/test_settings.py", "lab/engine.py", "Makefile"], False),
        (["components/process.py"], True),
        (["helm/longhorn.yaml"], True),
        (["requirements.txt"], True),
        (["settings/models.py", "Pulumi.lille.yaml"], True),
        (["something-new"], True),
        (["components/README.md"], False),
        ([], False),
    ],
)
def test_a_site_is_affected_when_in_doubt(paths: list[str], affected: bool) -> None:
    assert is_affected("paris", paths) is affected


def test_a_revision_that_is_not_there_says_nothing() -> None:
    assert changed_since("0" * 40) is None
    assert changed_since("HEAD") == []


def test_a_file_that_was_moved_out_of_the_product_is_a_change_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments], check=True)

    # As by default, whatever the person who runs this has set.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "components").mkdir()
    (tmp_path / "components" / "zones.py").write_text("a\nb\nc\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "before")
    (tmp_path / "docs").mkdir()
    git("mv", "components/zones.py", "docs/zones.py")
    git("commit", "--quiet", "-m", "after")

    paths = changed_since("HEAD^")

    assert paths == ["components/zones.py", "docs/zones.py"]
    assert is_affected("paris", paths)
