"""The manifest, and the versions that fit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.toolchain import versions
from lab.toolchain.gobuild import Go
from lab.toolchain.tools import FORMER_TOOLS, TOOLS, GoFile, GoPackage
from lab.toolchain.versions import Range


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Kubernetes v1.35.4", (1, 35, 4)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("kwok version v0.8.0 go1.26.8 (linux/amd64)", (0, 8, 0)),
        ("Nov 23 17:02:01 PowerDNS Authoritative Server 4.7.3 (C) 2001-2022", (4, 7, 3)),
        ("nginx version: nginx/1.22.1", (1, 22, 1)),
        ("go version go1.27 linux/amd64", (1, 27, 0)),
        ("Pebble version: dev", None),
    ],
)
def test_version_in_an_answer(text: str, version: versions.Version | None) -> None:
    assert versions.parse(text) == version


@pytest.mark.parametrize(
    ("tool", "fitting", "others"),
    [
        ("pulumi", [(3, 250, 0)], [(3, 249, 9), (3, 251, 0)]),
        ("kube-apiserver", [(1, 35, 0), (1, 35, 9)], [(1, 34, 8), (1, 36, 0)]),
        ("kubectl", [(1, 34, 0), (1, 35, 4), (1, 36, 2)], [(1, 32, 4), (1, 37, 0)]),
        ("etcd", [(3, 5, 21), (3, 7, 3)], [(3, 4, 30), (4, 0, 0)]),
        ("helm", [(3, 16, 0), (3, 22, 0)], [(3, 15, 4), (4, 0, 0)]),
        ("kwok", [(0, 8, 1)], [(0, 7, 0), (0, 9, 0)]),
    ],
)
def test_versions_that_fit(tool: str, fitting: list[versions.Version], others: list[versions.Version]) -> None:
    fits = next(entry.fits for entry in TOOLS if entry.name == tool)
    assert all(version in fits for version in fitting)
    assert not any(version in fits for version in others)


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least major\.minor"):
        Range("3.16", "4")


def test_every_tool_of_the_manifest_has_a_source_that_is_there() -> None:
    modules = Path(sys.modules[Go.__module__].__file__ or "").parent / "modules"
    lengths = {"sha256": 64, "sha512": 128}
    for tool in (*TOOLS, *FORMER_TOOLS):
        assert tool.build or tool.debian, tool.name
        assert tool.ask or tool.part_of, tool.name
        if isinstance(tool.build, GoPackage | GoFile):
            assert (modules / tool.build.module / "go.mod").is_file()
            assert (modules / tool.build.module / "go.sum").is_file()
        for digest in tool.download.digests.values() if tool.download else ():
            algorithm, _, value = digest.partition(":")
            assert len(value) == lengths[algorithm]
