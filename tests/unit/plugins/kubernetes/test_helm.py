"""Releases by the real Helm on a real API server, with a chart that the test writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.plugins.base import UNKNOWN, PartialCreate, Props, ResourceError
from lab.plugins.kubernetes import PLUGIN
from lab.plugins.kubernetes.api import Api, ApiError
from lab.plugins.kubernetes.provider import Provider
from tests.unit.plugins.kubernetes.engine import Engine

TOKEN = "kubernetes:helm.sh/v3:Release"

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  colour: {{ .Values.colour | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      nodeName: worker-1
      containers: [{name: app, image: {{ .Values.image | quote }}}]
"""
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"colour": {"type": "string"}, "image": {"type": "string"}, "replicas": {"type": "integer"}},
}


@pytest.fixture
def chart(tmp_path: Path, tools: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a chart with a closed values schema. The pinned Helm is the only one on the PATH."""
    monkeypatch.setenv("PATH", str(tools["helm"].parent))
    folder = tmp_path / "demo"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text('apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: "9"\n')
    (folder / "values.yaml").write_text("colour: red\nimage: app:1\nreplicas: 1\n")
    (folder / "values.schema.json").write_text(json.dumps(SCHEMA))
    (folder / "templates" / "all.yaml").write_text(CONFIG_MAP)
    return folder


def release(chart: Path, namespace: str, **values: object) -> Props:
    return {"chart": str(chart), "name": "demo", "namespace": namespace, "values": values, "timeout": 30}


def colour(api: Api, namespace: str) -> str:
    found: str = api.get(f"/api/v1/namespaces/{namespace}/configmaps/demo")["data"]["colour"]
    return found


@pytest.mark.usefixtures("node")
def test_lifecycle(provider: Provider, api: Api, chart: Path, namespace: str) -> None:
    engine = Engine(TOKEN, provider)
    outputs = engine.create(release(chart, namespace, colour="blue"))
    assert engine.id == f"{namespace}/demo"
    assert outputs["version"] == "1.2.3"
    assert outputs["resourceNames"] == {"ConfigMap/v1": ["demo"], "Deployment.apps/apps/v1": ["demo"]}
    assert outputs["status"] == {
        "appVersion": "9",
        "chart": "demo",
        "name": "demo",
        "namespace": namespace,
        "revision": 1,
        "status": "deployed",
        "version": "1.2.3",
    }
    assert colour(api, namespace) == "blue"
    ready = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/demo")["status"]["readyReplicas"]
    assert ready == 1, "Helm waited"
    assert not engine.diff(release(chart, namespace, colour="blue")).changes
    assert engine.refresh()
    assert not engine.diff(release(chart, namespace, colour="blue")).changes
    assert list(engine.diff(release(chart, namespace, colour="green")).changes) == ["values.colour"]
    assert engine.update(release(chart, namespace, colour="green"))["status"]["revision"] == 2
    assert colour(api, namespace) == "green"
    engine.delete()
    assert not engine.refresh()
    engine.delete()
    with pytest.raises(ApiError):
        colour(api, namespace)


@pytest.mark.usefixtures("node")
def test_new_chart_version_is_an_update_and_drift_shows(provider: Provider, chart: Path, namespace: str) -> None:
    engine = Engine(TOKEN, provider)
    engine.create(release(chart, namespace))
    file = chart / "Chart.yaml"
    file.write_text(file.read_text().replace("1.2.3", "1.2.4"))
    assert list(engine.diff(release(chart, namespace)).changes) == ["version"]
    by_hand = Engine(TOKEN, provider)
    by_hand.id, by_hand.inputs, by_hand.outputs = engine.id, engine.inputs, engine.outputs
    by_hand.update(release(chart, namespace, colour="by hand"))
    assert engine.refresh()
    assert list(engine.diff(release(chart, namespace)).changes) == ["values.colour"]
    imported = Engine(TOKEN, provider)
    imported.id = engine.id
    assert imported.refresh()
    assert imported.inputs["values"] == {"colour": "by hand"}
    assert imported.inputs["version"] == "1.2.4"


@pytest.mark.usefixtures("node")
def test_release_that_fails_is_kept(provider: Provider, chart: Path, namespace: str) -> None:
    engine = Engine(TOKEN, provider)
    inputs = {**release(chart, namespace, image="broken"), "timeout": 2}
    with pytest.raises(PartialCreate, match="failed to initialize completely") as raised:
        engine.create(inputs)
    assert raised.value.outputs["status"]["status"] == "failed"
    engine.id, engine.outputs = raised.value.id, raised.value.outputs
    repaired = release(chart, namespace, image="app:2")  # without any values, Helm would use the last ones again
    assert engine.update(repaired)["status"]["status"] == "deployed"
    atomic = Engine(TOKEN, provider)
    with pytest.raises(ResourceError, match="demo2") as raised_atomic:
        atomic.create({**inputs, "name": "demo2", "atomic": True})
    assert not isinstance(raised_atomic.value, PartialCreate)


def test_values_that_the_schema_refuses(provider: Provider, chart: Path, namespace: str) -> None:
    engine = Engine(TOKEN, provider)
    with pytest.raises(ResourceError, match="sizes"):
        engine.create(release(chart, namespace, sizes=3))


def test_a_name_in_use_is_an_error(provider: Provider, chart: Path, namespace: str) -> None:
    Engine(TOKEN, provider).create(release(chart, namespace, replicas=0))
    with pytest.raises(ResourceError, match="cannot re-use a name that is still in use"):
        Engine(TOKEN, provider).create(release(chart, namespace, replicas=0))


def test_check(provider: Provider, chart: Path) -> None:
    engine = Engine(TOKEN, provider, name="web")
    checked = engine.check({"chart": str(chart), "values": {"colour": UNKNOWN}})
    assert checked["name"].startswith("web-")
    assert (checked["namespace"], checked["timeout"], checked["version"]) == ("default", 300, "1.2.3")
    previewed = engine.resource.preview_create(checked, engine.call)
    assert (previewed["status"], previewed["resourceNames"]) == (UNKNOWN, UNKNOWN)
    known = {**checked, "status": {"revision": 1}, "resourceNames": {}}
    previewed = engine.resource.preview_update("default/web", known, checked, checked, engine.call)
    assert (previewed["status"], previewed["resourceNames"]) == (UNKNOWN, UNKNOWN)
    _, failures = engine.resource.check({"chart": "/nowhere", "postrender": "cat"}, None, engine.call)
    assert [failure.property for failure in failures] == ["postrender"]
    _, failures = engine.resource.check({"chart": "/nowhere"}, None, engine.call)
    assert "check the chart name and repository configuration" in failures[0].reason
    _, failures = engine.resource.check(
        {"chart": "demo", "repositoryOpts": {"repo": "https://charts.example", "password": "x"}}, None, engine.call
    )
    assert [failure.property for failure in failures] == ["repositoryOpts.password"]
    moved = engine.resource.diff(checked, {}, {**checked, "namespace": "other"}, engine.call)
    assert moved.changes["namespace"].replace


def test_nothing_secret_in_arguments(
    provider: Provider,
    chart: Path,
    namespace: str,
    tmp_path: Path,
    tools: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = tmp_path / "bin" / "helm"
    recorder.parent.mkdir()
    recorder.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/arguments\nexec {tools["helm"]} "$@"\n')
    recorder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{recorder.parent}:/usr/bin:/bin")
    Engine(TOKEN, provider).create(release(chart, namespace, colour="s3same", replicas=0))
    arguments = (tmp_path / "arguments").read_text()
    assert "install" in arguments
    assert "s3same" not in arguments
    assert provider.resolved().user["token"] not in arguments


def test_no_helm(chart: Path, kubeconfig: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    engine = Engine(TOKEN, PLUGIN.configure({"kubeconfig": kubeconfig}))
    _, failures = engine.resource.check({"chart": str(chart)}, None, engine.call)
    assert "helm is not on the PATH" in failures[0].reason
