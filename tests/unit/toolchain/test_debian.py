"""Tools that only Debian has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import debian
from lab.toolchain import ToolchainError
from lab.toolchain.tools import Debian, Tool
from lab.toolchain.versions import Range
from tests.unit.toolchain.conftest import HELLO, program, toolchain

SERVER = Tool("lab-test-server", "4.7", Range("4.7"), ("--version",), debian=Debian(("server", "server-lmdb")))
WRAPPER = Tool("lab-test-wrapper", "0.8", Range("0.8"), ("--version",), debian=Debian(("wrapper",)))


def test_without_root_all_debian_packages_are_named_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(tmp_path / "apt", "apt-get", "must not be called")
    monkeypatch.setenv("PATH", str(tmp_path / "apt"), prepend=os.pathsep)
    with pytest.raises(ToolchainError, match=r"sudo apt-get install server server-lmdb wrapper$"):
        toolchain(tmp_path, SERVER, HELLO, WRAPPER).ensure()
    assert not (tmp_path / "cache" / "hello").exists()


def test_root_installs_debian_packages_and_wants_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, calls, bin_folder = tmp_path / "policy-rc.d", tmp_path / "calls", tmp_path / "bin"
    bin_folder.mkdir()
    # Fails until the lists are fetched; a service that would be started asks the policy first.
    apt = program(tmp_path / "apt", "apt-get", "")
    apt.write_text(
        f"""#!/bin/sh
echo "$DEBIAN_FRONTEND $@" >>{calls}
if [ "$1" = update ]; then touch {tmp_path}/lists; exit 0; fi
[ -e {tmp_path}/lists ] || exit 100
{policy}; echo "policy $?" >>{calls}
printf '#!/bin/sh\\necho 4.9.1\\n' >{bin_folder}/lab-test-server; chmod +x {bin_folder}/lab-test-server
"""
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian, "_POLICY", policy)
    monkeypatch.setenv("PATH", str(tmp_path / "apt"), prepend=os.pathsep)
    found = toolchain(tmp_path, SERVER, path=bin_folder).ensure()["lab-test-server"]
    assert found.version == "4.9.1"
    install = "noninteractive install --yes --no-install-recommends server server-lmdb"
    assert calls.read_text().splitlines() == [install, "noninteractive update", install, "policy 101"]
    assert not policy.exists()


def test_a_server_without_its_module_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(tmp_path / "bin", "lab-test-server", "4.7.3")
    tool = Tool(
        "lab-test-server",
        "4.7",
        Range("4.7"),
        ("--version",),
        debian=Debian(("server-lmdb",), probe=("--list-modules",), expects="lmdb"),
    )
    program(tmp_path / "apt", "apt-get", "")
    monkeypatch.setenv("PATH", str(tmp_path / "apt"), prepend=os.pathsep)
    with pytest.raises(ToolchainError, match="sudo apt-get install server-lmdb"):
        toolchain(tmp_path, tool, path=tmp_path / "bin").ensure()
