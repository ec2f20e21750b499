"""No value that a site gives a chart is unknown to it: those of the values files, and those that the program adds.

Helm ignores a value that its chart does not know: a slip of the pen would change nothing, unseen. What the official
charts know is in their archives, which are no part of this repository: `LAB_CHARTS` names their folder.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.socle import Socle, SocleArgs
from components.socle.release import merged
from lab.chart_repository import VARIABLE, given_archives
from settings import Settings
from tests.component.mocks import Agreeing

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASES = ("authentik", "homepage", "longhorn", "metallb", "nginx-ingress")
Tree = Mapping[str, Any]

HANDED_ON = {
    "homepage": [f"probes.{probe}.spec" for probe in ("liveness", "readiness", "startup")],
    "metallb": ["controller.securityContext"],
}
"""By chart: what it hands on to Kubernetes as it is given, although it has defaults of its own there."""


class Mocks(Agreeing):
    def __init__(self) -> None:
        self.values: dict[str, Tree] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        keys = ("result", "privateKeyPem", "certPem", "certRequestPem", "certificatePem", "chainPem")
        made: dict[str, Any] = dict.fromkeys(keys, "text")
        if args.typ == "kubernetes:helm.sh/v3:Release":
            self.values[args.name] = args.inputs["values"]
            made["status"] = {"status": "deployed"}
        return args.name, {**args.inputs, **made}


@pytest.fixture(scope="module")
def given() -> dict[str, Tree]:
    """Release -> all values that a site gives it."""
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    settings = Settings.read(REPOSITORY / "Pulumi.paris.yaml")
    assert settings.services
    args = SocleArgs(settings, settings.services, backup_target="nfs://10.75.20.101:/srv/backup/paris/longhorn")

    @pulumi.runtime.test
    def declare() -> pulumi.Output[str]:
        return Socle("socle", args).urn

    declare()
    return mocks.values


def official(release: str) -> tuple[Tree, Tree]:
    """The official chart's default values, those of its libraries among them, and its schema of values."""
    folder = given_archives(os.environ)
    archive = next(iter(sorted(folder.glob(f"{release}-[0-9]*.tgz"))), None) if folder else None
    if archive is None:
        pytest.skip(f"{VARIABLE} names no folder with the official chart {release}: our values are not held against it")
    with tarfile.open(archive) as content:
        files = {member.name: content.extractfile(member) for member in content if member.isfile()}
        documents = {
            name: yaml.safe_load(file.read())
            for name, file in files.items()
            if file and name.endswith(("/Chart.yaml", "/values.yaml", "/values.schema.json"))
        }
    values: Tree = documents[f"{release}/values.yaml"]
    for name, chart in documents.items():
        if name.count("/") > 1 and name.endswith("/Chart.yaml"):
            beneath = documents.get(name.replace("Chart.yaml", "values.yaml"), {})
            values = merged(beneath if chart.get("type") == "library" else {chart["name"]: beneath}, values)
    return values, documents.get(f"{release}/values.schema.json", {})


def unknown(given: Tree, default: Tree, schema: Tree, root: Tree, path: str = "") -> Iterator[str]:
    """Paths of what is given and stands neither in the defaults nor in the schema.

    Below an empty default without a schema of its own, or one of another host's (Kubernetes'), anything goes.
    """
    properties = schema.get("properties", {})
    for key, value in given.items():
        part = properties.get(key, {})
        if str(part.get("$ref", "")).startswith("#/definitions/"):
            part = root["definitions"][part["$ref"].rpartition("/")[2]]
        beneath = default.get(key)
        if key not in default and key not in properties:
            yield f"{path}{key}"
        elif isinstance(value, Mapping) and "$ref" not in part and (beneath or part.get("properties")):
            yield from unknown(value, beneath if isinstance(beneath, Mapping) else {}, part, root, f"{path}{key}.")


@pytest.mark.parametrize("release", RELEASES)
def test_no_value_is_unknown_to_its_official_chart(given: dict[str, Tree], release: str) -> None:
    default, schema = official(release)
    found = unknown(given[release], default, schema, schema)
    handed_on = tuple(f"{path}." for path in HANDED_ON.get(release, []))
    assert [path for path in found if not path.startswith(handed_on)] == []


def test_the_site_gives_values_to_every_release(given: dict[str, Tree]) -> None:
    assert sorted(given) == sorted(RELEASES)
    assert json.dumps(given).count("nfs://10.75.20.101:/srv/backup/paris/longhorn") == 1


DEFAULT: Tree = {"image": {"tag": ""}, "resources": {}, "extra": None, "pod": {"labels": {}}, "security": {"user": 1}}
SCHEMA: Tree = {
    "properties": {
        "budget": {"properties": {"enabled": {}}},
        "probe": {"$ref": "#/definitions/probe"},
        "security": {"$ref": "https://kubernetes.example/security.json"},
    },
    "definitions": {"probe": {"properties": {"port": {}}}},
}


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"image": {"tag": "1"}, "budget": {"enabled": True}, "probe": {"port": 1}}, []),
        ({"imaeg": {"tag": "1"}}, ["imaeg"]),
        ({"image": {"tga": "1"}, "pod": {"label": {}}}, ["image.tga", "pod.label"]),
        ({"budget": {"enable": True}, "probe": {"prot": 1}}, ["budget.enable", "probe.prot"]),
        ({"resources": {"limits": {}}, "extra": {"a": 1}, "pod": {"labels": {"a": "b"}}, "security": {"group": 1}}, []),
    ],
)
def test_what_counts_as_unknown(values: Tree, paths: list[str]) -> None:
    assert list(unknown(values, DEFAULT, SCHEMA, SCHEMA)) == paths
