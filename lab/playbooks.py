"""The lab's playbooks as a git repository: the product fetches Kubespray by repository and commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.layout import REPOSITORY, Lab

SOURCE = REPOSITORY / "lab" / "kubespray"
# The commit must depend on the content alone: the same playbooks, the same settings, no change.
IDENTITY = {
    "GIT_AUTHOR_NAME": "OSS NextGen lab",
    "GIT_AUTHOR_EMAIL": "lab@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "OSS NextGen lab",
    "GIT_COMMITTER_EMAIL": "lab@localhost",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def publish(lab: Lab) -> dict[str, str]:
    """Commit the playbooks. Returns the `repository` and `commit` that settings name.

    A repository is never changed once it is there: another site may be fetching from it.
    """
    with tempfile.TemporaryDirectory(prefix=".playbooks-", dir=lab.home) as scratch:
        draft = Path(scratch) / "repository"
        shutil.copytree(SOURCE, draft, ignore=shutil.ignore_patterns("__pycache__"))
        _git(draft, "init", "--quiet", "--initial-branch=main")
        _git(draft, "add", "--all", "--force")
        _git(draft, "commit", "--quiet", "--message=The lab's playbooks")
        # The product fetches the commit itself, as it does from the official repository.
        _git(draft, "config", "uploadpack.allowAnySHA1InWant", "true")
        commit = _git(draft, "rev-parse", "HEAD")
        repository = lab.home / "playbooks" / commit
        repository.parent.mkdir(exist_ok=True)
        try:
            draft.rename(repository)
        except OSError:
            # Made before, or by another site's run just now: the same content either way.
            if not repository.is_dir():
                raise
    return {"repository": f"file://{repository}", "commit": commit}


def _git(folder: Path, *args: str) -> str:
    result = subprocess.run(
        ["git", *args], cwd=folder, env={**os.environ, **IDENTITY}, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()
