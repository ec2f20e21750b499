"""The locks of Python packages: each has what is run with it, at the versions that are tested."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("__main__.py", "outputs.py", "sites.py", "components", "reader", "recovery", "settings", "verify")
PIPELINE = (*PROGRAM, "ci", "policy")
LOCKS = [("requirements.txt", PROGRAM), ("requirements-ci.txt", PIPELINE)]


def locked(lock: str) -> dict[str, str]:
    """Each package of a lock, with its version and hashes."""
    parts = re.split(r"\n(?=\w)", (ROOT / lock).read_text().strip())
    return {part.partition("==")[0]: part for part in parts}


def imported(names: tuple[str, ...]) -> set[str]:
    """Top-level modules of others that files and folders of the repository import, in functions too."""
    files = [file for name in names for file in ((ROOT / name).rglob("*.py") if "." not in name else [ROOT / name])]
    own = {path.stem for path in ROOT.iterdir()}
    return {module for file in files for module in _modules(file)} - own - sys.stdlib_module_names


def _modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(("lock", "names"), LOCKS)
def test_a_lock_has_all_that_is_imported(lock: str, names: tuple[str, ...]) -> None:
    packages, distributions = locked(lock), packages_distributions()
    of = {
        module: {re.sub(r"[-_.]+", "-", each).lower() for each in distributions[module]} for module in imported(names)
    }
    assert {module: each for module, each in of.items() if not each & packages.keys()} == {}


@pytest.mark.parametrize("lock", [lock for lock, _ in LOCKS])
def test_what_runs_is_what_is_tested(lock: str) -> None:
    assert locked(lock).items() <= locked("requirements-dev.txt").items()
