"""The README's way to a real site: its order, and the commands that make a secret, run with an engine that keeps it."""

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


def test_the_backup_server_comes_up_first_once_every_stack_has_its_secrets() -> None:
    """A site's stack file names that stack: without its outputs the program ends at once."""
    chapter = (REPOSITORY / "README.md").read_text().partition("## From the lab to a real site")[2]
    blocks = "".join(re.findall(r"^ *```console\n(.*?)```", chapter, re.DOTALL | re.MULTILINE))
    order = re.findall(r"pulumi (stack init|config set --secret oss-nextgen:\w+|up -s \w+)", blocks)

    secrets = [f"config set --secret oss-nextgen:{key}" for key in ("proxmoxApiToken", "dnsTransferKey")]
    assert order == ["stack init", *secrets, "up -s backup", "up -s paris"]
    loops = re.findall(r"for stack in (.*?);", blocks)
    assert len(loops) == 3
    assert {*map(frozenset, map(str.split, loops))} == {
        frozenset(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml"))
    }


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
