"""Commands of the README that make a secret, run with an engine that keeps what it is given."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
KEPT = """#!/bin/sh
echo "$*" >> "$KEPT/arguments"
for last; do :; done
cat > "$KEPT/$last.key"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Has all programs that the commands may start, and what their engine was given: a file for each stack."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pulumi").write_text(KEPT)
    (programs / "pulumi").chmod(0o755)
    for name in ("bash", "cat", "openssl"):
        (programs / name).symlink_to(shutil.which(name) or "")
    return tmp_path


def set_transfer_keys(folder: Path, *options: str) -> int:
    """Run the commands that make the key. Returns the shell's exit code."""
    [block] = re.findall(r"```console\n([^`]*?dnsTransferKey.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    script = re.sub(r"^ *\$ ", "", block, flags=re.MULTILINE)
    environment = {"PATH": str(folder / "bin"), "KEPT": str(folder)}
    return subprocess.run(["bash", *options, "-c", script], env=environment, check=False).returncode


def test_all_stacks_get_the_same_transfer_key(folder: Path) -> None:
    assert set_transfer_keys(folder, "-eu", "-o", "pipefail") == 0

    stacks = {path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml")}
    keys = {path.stem: path.read_text() for path in folder.glob("*.key")}
    assert keys.keys() == stacks
    [key] = set(keys.values())
    assert len(base64.b64decode(key, validate=True)) == 32
    expected = {f"config set --secret oss-nextgen:dnsTransferKey -s {stack}" for stack in stacks}
    assert set((folder / "arguments").read_text().splitlines()) == expected


def test_no_stack_gets_an_empty_transfer_key(folder: Path) -> None:
    (folder / "bin" / "openssl").unlink()

    set_transfer_keys(folder)  # As a person's shell does, which goes on after an error.

    assert not (folder / "arguments").exists()
