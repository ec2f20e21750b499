"""The documents: their links lead somewhere, and the commands of the repository's own are there."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from ci.__main__ import parser

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    file.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "lab/**/*.md")
    for file in sorted(ROOT.glob(pattern))
]


def anchors(document: Path) -> set[str]:
    """Of its headings, as GitLab and GitHub write them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", (ROOT / document).read_text()):
        name, _, anchor = link.partition("#")
        target = ROOT / document.parent / name if name else ROOT / document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_command_of_ours_is_there(document: Path) -> None:
    text = (ROOT / document).read_text()
    for module, arguments in re.findall(r"python -m ([\w.]+)((?: [-\w./$]+)*)", text):
        assert find_spec(module), module
        if module == "ci" and arguments:
            assert parser().parse_args(shlex.split(arguments)).run
    for target in re.findall(r"(?:`|\$ |\$\()make (?:-s )?([a-z]+)", text):
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, target
