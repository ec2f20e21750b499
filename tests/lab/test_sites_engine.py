"""Stacks that come up together by the Automation API, with the real engine."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
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

GROWS = """
import pathlib

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Playbook(ResourceProvider):
    def create(self, props):
        pathlib.Path("played").touch()
        return CreateResult("playbook", {})


class Run(Resource):
    pass


Run(Playbook(), "playbook", {})
"""
KEEPS = """
import pulumi

pulumi.ComponentResource("tiny:index:Machine", "machine", opts=pulumi.ResourceOptions(protect=True))
"""

THINGS = """
import time

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Provider(ResourceProvider):
    def create(self, props):
        time.sleep(props["seconds"])
        if props["fails"]:
            raise ValueError("the build failed")
        return CreateResult(props["name"], props)


class Thing(Resource):
    pass


def thing(name, after=(), seconds=0.0, fails=False):
    props = {"name": name, "seconds": seconds, "fails": fails}
    return Thing(Provider(), name, props, pulumi.ResourceOptions(depends_on=after))

"""
BROKEN = "thing('broken', fails=True); thing('last', [thing('slow', seconds=2.0)])"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Its engine is that of the Automation API, too."""
    project = Project(tmp_path, "", PROGRAM)
    for key, value in project.env.items():
        monkeypatch.setenv(key, value)
    return project


def test_a_stack_comes_up_beside_one_that_fails_and_one_that_is_not_there(project: Project) -> None:
    project.pulumi("stack", "init", "broken")
    order = {"dev": ("broken",), "broken": (), "missing": ()}

    outcomes = sites.run_all(order, partial(sites.up, folder=project.folder), 3, sites.Board([*order], io.StringIO()))

    ended = {each.site: each for each in outcomes}
    assert {site: each.failed for site, each in ended.items()} == {"dev": False, "broken": True, "missing": True}
    assert any("its own file says why" in line for line in ended["broken"].tail)
    assert ended["missing"].tail == ("there is no stack missing: pulumi stack init missing",)
    project.pulumi("stack", "select", "dev")
    assert project.outputs() == {"site": "dev"}


def test_what_is_protected_is_refused_before_anything_is_done(project: Project) -> None:
    project.write(KEEPS)
    project.pulumi("up", "--yes", "--skip-preview")
    project.write(GROWS)
    printed: list[str] = []

    with pytest.raises(sites.SiteError, match="pulumi up of dev failed"):
        sites.up("dev", printed.append, project.folder)

    assert "cannot be deleted because it is protected" in " ".join(" ".join(printed).split())
    assert not (project.folder / "played").exists()


@pytest.fixture
def names(project: Project) -> Callable[[str], set[str]]:
    """Brings up what a program declares, which fails; the names of what there is then."""

    def up(declared: str) -> set[str]:
        project.write(THINGS + declared)
        printed: list[str] = []
        with pytest.raises(sites.SiteError):
            sites.up("dev", printed.append, folder=project.folder)
        assert any("the build failed" in line for line in printed), "".join(printed)
        resources = json.loads(project.state)["checkpoint"]["latest"]["resources"]
        return {each["id"] for each in resources if each["type"].startswith("pulumi-python:")}

    return up


def test_a_site_comes_up_as_far_as_it_can_unless_something_is_removed(names: Callable[[str], set[str]]) -> None:
    assert names(f"thing('former'); {BROKEN}") == {"former", "slow", "last"}
    # Nothing that failed depends on what is not declared any more: the engine alone would delete it.
    assert names(BROKEN) == {"former", "slow", "last"}
