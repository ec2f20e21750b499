"""Kubespray's pinned release, in the per-user cache: fetched once per machine, by whoever comes first."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.ansible import ToolboxError
from components.cache import cache, once
from components.process import CommandError, run, show


def checkout(repository: str, commit: str) -> Path:
    """The folder that holds Kubespray at `commit`.

    Args:
        repository: Anything that git can fetch from.
        commit: Full SHA-1. It names the content, so the folder does not depend on the repository.

    Raises:
        ToolboxError: the commit cannot be fetched from there.
    """

    def clone(folder: Path) -> None:
        show(f"kubespray: fetching {commit[:12]} from {repository}")
        _git(folder, "init", "--quiet")
        _git(folder, "fetch", "--quiet", "--depth=1", "--", repository, commit)
        _git(folder, "-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD")
        head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()
        if head != commit:
            # A tag object of that name resolves to another commit: not what was reviewed.
            raise ToolboxError(f"{repository} answered commit {head} where {commit} was asked for: check the pin.")

    try:
        return once(cache() / "kubespray" / commit, clone)
    except CommandError as error:
        raise ToolboxError(
            f"Kubespray's commit {commit} cannot be fetched from {repository}. Check kubernetes.kubespray in the "
            f"stack file, and that this machine reaches the repository.\n{error}"
        ) from None


def _git(folder: Path, *arguments: str) -> None:
    # A prompt for credentials would wait for ever behind the engine.
    run(f"git {arguments[0]}", ["git", *arguments], cwd=folder, env={"GIT_TERMINAL_PROMPT": "0"})
