"""What runs Kubespray: its pinned release, and Ansible in a virtual environment of its own.

Kubespray accepts one minor release of ansible-core only, so it never shares the program's
environment. Both live in a per-user cache, keyed by what they are made from, so that each is made
once per machine, by whoever comes first.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from components.cache import cache, once
from components.process import CommandError, run, show

REQUIREMENTS = Path(__file__).resolve().parents[2] / "kubespray" / "requirements.txt"
"""Hashed lock of what Kubespray's release needs."""


class ToolboxError(Exception):
    """Kubespray or Ansible cannot be had. Says what to do."""


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


def ansible(requirements: Path = REQUIREMENTS) -> Path:
    """The interpreter of Ansible's virtual environment; run `<it> -m ansible playbook`.

    Raises:
        ToolboxError: the packages cannot be installed.
    """

    def install(folder: Path) -> None:
        show("ansible: installing into its own virtual environment (about a minute, once per machine)")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        run("python -m venv", [sys.executable, "-m", "venv", str(folder)], cwd=folder, env={})
        argv = [*pip, "--quiet", "--require-hashes", "--only-binary=:all:", "--requirement", str(requirements)]
        run("pip install", argv, cwd=folder, env={})
        show("ansible: installed")

    # An environment belongs to the interpreter that made it.
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    try:
        return once(cache() / "ansible" / key, install) / "bin" / "python"
    except CommandError as error:
        raise ToolboxError(
            f"Ansible cannot be installed from {requirements.name}. Check that pip reaches its package index.\n{error}"
        ) from None


def _git(folder: Path, *arguments: str) -> None:
    # A prompt for credentials would wait for ever behind the engine.
    run(f"git {arguments[0]}", ["git", *arguments], cwd=folder, env={"GIT_TERMINAL_PROMPT": "0"})
