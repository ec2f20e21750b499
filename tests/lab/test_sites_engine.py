"""Stacks that come up together by the Automation API, with the real engine."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import pytest

import sites
from tests.lab.project import Project

PROGRAM = """
import pulumi

if pulumi.get_stack() == "broken":
    raise pulumi.RunError("its own file says why")
pulumi.export("site", pulumi.get_stack())
"""


def test_a_stack_comes_up_beside_one_that_fails_and_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, "", PROGRAM)
    project.pulumi("stack", "init", "broken")
    for key, value in project.env.items():
        monkeypatch.setenv(key, value)
    order = {"dev": ("broken",), "broken": (), "missing": ()}

    outcomes = sites.run_all(order, partial(sites.up, folder=tmp_path), 3, sites.Board([*order], io.StringIO()))

    ended = {each.site: each for each in outcomes}
    assert {site: each.failed for site, each in ended.items()} == {"dev": False, "broken": True, "missing": True}
    assert any("its own file says why" in line for line in ended["broken"].tail)
    assert ended["missing"].tail == ("there is no stack missing: pulumi stack init missing",)
    project.pulumi("stack", "select", "dev")
    assert project.outputs() == {"site": "dev"}
