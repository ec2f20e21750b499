"""The documents: their links lead somewhere, and the commands of the repository's own are there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ci.__main__ import parser
from settings.kubernetes_rules import KUBERNETES_VERSIONS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    file.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "lab/**/*.md")
    for file in sorted(ROOT.glob(pattern))
]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "stack.schema.json").read_text())
SECTIONS: dict[str, Any] = {
    key.removeprefix("oss-nextgen:"): value for key, value in SCHEMA["properties"]["config"]["properties"].items()
}


def models(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The mappings that a part of the schema may be, or be a list of."""
    if "$ref" in schema:
        return models(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return [found for part in parts for found in models(part)] if parts else [schema]


def is_setting(path: str) -> bool:
    """Whether a stack file has a key path, such as `pools[].image`."""
    found = [{"properties": SECTIONS}]
    for key in path.replace("[]", "").split("."):
        found = [
            model["properties"][key] for each in found for model in models(each) if key in model.get("properties", ())
        ]
    return bool(found)


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


def test_the_versions_of_an_upgrade_are_those_that_are_accepted() -> None:
    text = " ".join((ROOT / "docs" / "maintenance.md").read_text().split())
    for release, minors in KUBERNETES_VERSIONS.items():
        *some, last = [f"{major}.{minor}.0 to {major}.{minor}.{patch}" for (major, minor), patch in minors.items()]
        assert f"The pinned Kubespray, {release}, installs {', '.join(some)} and {last} " in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_setting_that_is_named_is_there(document: Path) -> None:
    for path in re.findall(r"`(\w+(?:\[\])?(?:\.[a-z]\w*)+)\b", (ROOT / document).read_text()):
        if path.partition(".")[0].removesuffix("[]") in SECTIONS:
            assert is_setting(path), path
