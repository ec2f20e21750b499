"""The pipeline's file: valid, and every line of it a command that runs here, too."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.__main__ import parser

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / ".gitlab-ci.yml"
PIPELINE: dict[str, Any] = yaml.safe_load(FILE.read_text())
JOBS = {name: job for name, job in PIPELINE.items() if isinstance(job, dict) and name not in ("workflow", "variables")}
LINES = sorted({line for job in JOBS.values() for line in job.get("script", ())})
SITES = {file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml")}


def inherited(name: str, key: str) -> dict[str, Any]:
    """What a job has under a key, with what it gets from those that it extends."""
    extended = JOBS[name].get("extends", [])
    values: dict[str, Any] = {}
    for parent in [extended] if isinstance(extended, str) else extended:
        values |= inherited(parent, key)
    values |= JOBS[name].get(key, {})
    return values


def test_it_keeps_to_the_schema_of_gitlab() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("line", LINES)
def test_every_line_is_a_command_that_is_there(line: str) -> None:
    """The lab's tests run those of the sites' jobs as they are."""
    words = shlex.split(re.sub(r"\$\{?\w+(:-)?\}?", "paris", line))
    if words[:3] == ["python", "-m", "ci"]:
        assert parser().parse_args(words[3:]).run
    elif words[:2] == ["python", "-m"]:
        done = subprocess.run([sys.executable, *words[1:3], "--help"], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0
    else:
        assert words[0] == "make"
        done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0


def test_every_site_is_in_every_list() -> None:
    (matrix,) = PIPELINE[".sites"]["parallel"]["matrix"]
    assert set(matrix["SITE"]) == SITES
    assert {job["variables"]["SITE"] for job in JOBS.values() if job.get("extends") == ".up"} == SITES
    (line,) = PIPELINE["note"]["script"]
    assert set(line.split("--expect ")[1].split()) == SITES


def test_every_up_waits_for_the_checks_and_the_preview_of_its_own_site() -> None:
    for site in SITES:
        job = JOBS[f"up {site}"]
        assert job["variables"] == {"SITE": site}
        assert job["needs"] == ["lint", "test", {"job": "preview", "parallel": {"matrix": [{"SITE": site}]}}]
    # A needed job that is not in the pipeline is an error of the pipeline.
    conditions = {rule["if"] for rule in JOBS[".up"]["rules"]}
    for rules in (JOBS[".changes"]["rules"], JOBS["preview"]["rules"]):
        assert conditions <= {rule["if"] for rule in rules}


def test_a_job_of_a_site_runs_on_a_runner_of_that_site() -> None:
    """The API of a site's name server admits the site's own network."""
    for name, job in JOBS.items():
        if ".site" not in job.get("extends", ()):
            continue
        if name in ("note", "brake"):
            assert job["tags"] == ["oss-nextgen"]
        else:
            assert "tags" not in job
            # Where the tag's variable comes from: the matrix, or each job that extends it.
            assert ".sites" in job["extends"] or name == ".up"
    assert PIPELINE[".site"]["tags"] == ["oss-nextgen", "$SITE"]


def test_only_protected_branches_of_this_project_reach_a_site() -> None:
    """A rule of a job that reaches one is for the main branch, a schedule, or such a merge request."""
    trusted = (
        '$CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED == "true" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID',
        '$CI_PIPELINE_SOURCE == "push"',
        '$CI_PIPELINE_SOURCE == "schedule"',
    )
    reach = [job for job in JOBS.values() if ".site" in job.get("extends", ()) and "script" in job]
    assert len(reach) == 8
    for job in reach:
        assert all(rule["if"].startswith(trusted) for rule in job["rules"])


def test_only_what_reaches_a_site_is_told_options_of_the_engine() -> None:
    """`make test` runs the engine in other folders as well, where `policy` is no policy pack."""

    def options(job: str) -> set[str]:
        variables = PIPELINE["variables"] | inherited(job, "variables")
        return {name for name in variables if name.startswith("PULUMI_OPTION_")}

    assert {job: options(job) for job in ("lint", "test")} == {"lint": set(), "test": set()}
    for job in ("preview", "drift", "verify", "renewal", *(f"up {site}" for site in SITES)):
        assert options(job) == {"PULUMI_OPTION_POLICY_PACK"}
