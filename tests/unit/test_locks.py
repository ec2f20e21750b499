"""The locks of Python packages: each has what is run with it, at the versions that are tested.

What other teams install needs less, and pins nothing.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def named(requirements: list[str]) -> set[str]:
    """The packages that requirements name."""
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def test_whoever_installs_the_reader_gets_what_it_imports_and_no_pin_of_ours() -> None:
    """Other teams' programs have versions of their own of the rest."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [each for each in declared if "==" in each or ",<" not in each] == []

    script = (
        "import reader, components.powerdns, sys; print(*(getattr(m, '__file__', '') for m in sys.modules.values()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [Path(name) for name in done.stdout.split() if Path(name).parent.is_relative_to(ROOT)]
    names = tuple(str(file.relative_to(ROOT)) for file in files if not file.is_relative_to(sys.prefix))
    assert "reader/platform.py" in names
    allowed, of = named(declared), packages_distributions()
    assert {module for module in imported(names) if not {*map(canonicalize_name, of[module])} & allowed} == set()


@pytest.mark.parametrize("example", sorted(path.parent.name for path in ROOT.glob("examples/*/requirements.txt")))
def test_an_example_names_what_it_imports(example: str) -> None:
    folder = ROOT / "examples" / example
    own = {path.stem for path in folder.glob("*.py")} | {"reader", "components"}
    modules = {module for file in folder.glob("*.py") for module in _modules(file)} - own - sys.stdlib_module_names
    lines = [line for line in (folder / "requirements.txt").read_text().splitlines() if line[0] not in "#."]
    # The engine's SDK comes with the reader.
    have, of = named([*lines, "pulumi"]), packages_distributions()
    assert {module for module in modules if not {*map(canonicalize_name, of[module])} & have} == set()
