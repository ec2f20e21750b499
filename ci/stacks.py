"""Which sites a change of files concerns."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

NOTHING: Final = ("docs/", "tests/", "lab/", "examples/", ".ci/", "LICENSE", "Makefile")
"""What no site is made from; texts (`*.md`) neither."""
_STACK_FILE: Final = re.compile(r"Pulumi\.([a-z0-9-]+)\.yaml")


def is_affected(site: str, paths: Iterable[str]) -> bool:
    """Whether files that have changed are something that the site is made from: any that is not known to be nothing."""
    for path in paths:
        stack_file = _STACK_FILE.fullmatch(path)
        if stack_file and stack_file[1] != site:
            continue
        if not path.startswith(NOTHING) and PurePath(path).suffix != ".md":
            return True
    return False


def changed_since(revision: str) -> list[str] | None:
    """Paths that differ from a revision; None where git cannot say, because the clone is too shallow for instance."""
    # Of a file that was moved, also where it is no more.
    command = ["git", "diff", "--no-renames", "--name-only", "-z", f"{revision}...HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split("\0")[:-1] if done.returncode == 0 else None
