"""Downloads and builds."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from lab.layout import TOOLS as USER_CACHE
from lab.toolchain import ToolchainError, versions
from lab.toolchain.gobuild import GO_NEEDED, Go
from lab.toolchain.tools import Download, Tool
from lab.toolchain.versions import Range
from tests.unit.toolchain.conftest import ARCH, HELLO, Releases, program, toolchain

SCRIPT = b"#!/bin/sh\necho tool v1.2.3\n"


def released(url: str, content: bytes, member: str = "") -> Tool:
    """A tool that can only be downloaded."""
    digests = {ARCH: f"sha256:{hashlib.sha256(content).hexdigest()}"}
    return Tool("tool", "1.2.3", Range("1.2", "1.3"), ("--version",), download=Download(url, digests, member))


def test_download_with_the_pinned_digest(tmp_path: Path, releases: Releases) -> None:
    releases.files[f"/v1.2.3/tool-{ARCH}"] = SCRIPT
    tool = released(f"{releases.url}/v{{version}}/tool-{{arch}}", SCRIPT)
    found = toolchain(tmp_path, tool).ensure()["tool"]
    assert found.source == "official download"
    assert found.path.read_bytes() == SCRIPT
    assert os.access(found.path, os.X_OK)
    # Neither a second run nor one whose stamp is gone downloads again.
    toolchain(tmp_path, tool).ensure()
    (tmp_path / "cache" / "resolved.json").unlink()
    assert toolchain(tmp_path, tool).ensure()["tool"] == found
    assert len(releases.asked) == 1


def test_an_archive_is_fetched_once_for_all_its_tools(tmp_path: Path, releases: Releases) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("one", "two"):
            entry = tarfile.TarInfo(f"./bin/{name}")
            entry.size = len(SCRIPT)
            tar.addfile(entry, io.BytesIO(SCRIPT))
    releases.files["/all.tar.gz"] = packed.getvalue()
    digests = {ARCH: f"sha512:{hashlib.sha512(packed.getvalue()).hexdigest()}"}
    download = Download(f"{releases.url}/all.tar.gz", digests, member="bin/{name}")
    tools = [Tool(name, "1.0", Range("1.0"), ("--version",), download=download) for name in ("one", "two")]
    assert {tool.source for tool in toolchain(tmp_path, *tools).ensure().values()} == {"official download"}
    assert releases.asked == ["/all.tar.gz"]


def test_another_digest_is_an_error_and_not_a_reason_to_build(tmp_path: Path, releases: Releases, go: Go) -> None:
    releases.files["/tool"] = b"something else"
    tool = released(f"{releases.url}/tool", SCRIPT)
    with pytest.raises(ToolchainError, match=r"/tool is not the file that is pinned: expected sha256:.*, got sha256:"):
        toolchain(tmp_path, tool, go=go).ensure()
    assert not (tmp_path / "cache" / "tool" / "1.2.3" / "tool").exists()


def test_an_unreachable_host_is_asked_once_and_the_module_is_built(
    tmp_path: Path, go: Go, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nothing listens on port 9 of a loopback address that nobody uses.
    download = Download("http://127.9.9.9:9/{name}", {ARCH: "sha256:" + "0" * 64})
    tools = [
        Tool(name, "1.2.3", HELLO.fits, HELLO.ask, download=download, build=HELLO.build) for name in ("one", "two")
    ]
    found = toolchain(tmp_path, *tools, go=go).ensure()
    assert {tool.source for tool in found.values()} == {"Go module"}
    assert capsys.readouterr().err.count("127.9.9.9:9 cannot be reached") == 1


def test_a_release_that_is_gone_is_built(tmp_path: Path, releases: Releases, go: Go) -> None:
    download = Download(f"{releases.url}/gone", {ARCH: "sha256:" + "0" * 64})
    tool = Tool("hello", "1.2.3", HELLO.fits, HELLO.ask, download=download, build=HELLO.build)
    assert toolchain(tmp_path, tool, go=go).ensure()["hello"].source == "Go module"


def test_build_sets_the_version_and_is_kept(tmp_path: Path, go: Go) -> None:
    built = toolchain(tmp_path, HELLO, go=go).ensure()["hello"]
    assert built.path == tmp_path / "cache" / "hello" / "1.2.3" / "hello"
    assert versions.run(built.path, []) == "hello 1.2.3\n"
    before = built.path.stat()
    (tmp_path / "cache" / "resolved.json").unlink()
    assert toolchain(tmp_path, HELLO, go=go).ensure()["hello"] == built
    assert built.path.stat() == before


def test_a_failed_build_leaves_nothing_and_shows_why(tmp_path: Path, go: Go) -> None:
    source = tmp_path / "modules" / "hello" / "cmd" / "hello" / "main.go"
    source.write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(ToolchainError, match=r"go build failed(.|\n)*undefined: undefined(.|\n)*hello\.log"):
        toolchain(tmp_path, HELLO, go=go).ensure()
    assert not (tmp_path / "cache" / "hello").exists()


def test_an_unfinished_install_does_not_count(tmp_path: Path, go: Go) -> None:
    chain = toolchain(tmp_path, HELLO, go=go)
    broken = tmp_path / "cache" / HELLO.place
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"half of it")
    broken.chmod(0o755)
    assert versions.run(chain.ensure()["hello"].path, []) == "hello 1.2.3\n"


def test_go_may_not_change_what_is_pinned(tmp_path: Path, go: Go) -> None:
    folder = tmp_path / "modules" / "hello"
    (folder / "cmd" / "hello" / "main.go").write_text('package main\n\nimport _ "golang.org/x/mod/semver"\n')
    with pytest.raises(ToolchainError, match="import lookup disabled by -mod=readonly"):
        toolchain(tmp_path, HELLO, go=go).ensure()
    assert "golang.org" not in (folder / "go.mod").read_text()


def test_an_old_go_on_the_path_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin", "go", "go version go1.19.8 linux/amd64")
    executable = Go(USER_CACHE, str(tmp_path / "bin"), tmp_path).executable()
    version = versions.ask(executable, ["version"])
    assert executable != tmp_path / "bin" / "go"
    assert version is not None
    assert version in GO_NEEDED
