"""The lab's charts: they carry the pinned versions, take our values files, and refuse what they do not model."""

from __future__ import annotations

import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.chart_repository import CHARTS, ChartError, given_archives, publish
from lab.layout import REPOSITORY
from lab.toolchain.resolve import Toolchain
from settings.services import Charts
from tests.unit.plugins.kubernetes.cluster import cluster, find_tools

NAMES = ["authentik", "homepage", "longhorn", "metallb", "nginx-ingress"]
ADDRESS = "127.92.0.1"

# One value per chart that does not exist there, as a slip of the pen has it, and what Helm says of it.
SLIPS = [
    ("metallb", {"frrk8s": {"enable": False}}, "at '/frrk8s': additional properties 'enable' not allowed"),
    ("metallb", {"speaker": {"logLevel": "verbose"}}, "at '/speaker/logLevel': value must be one of"),
    ("longhorn", {"defaultSettings": {"nodeDrainPolcy": "x"}}, "additional properties 'nodeDrainPolcy' not allowed"),
    ("longhorn", {"persistence": {"reclaimPolicy": "Keep"}}, "at '/persistence/reclaimPolicy': value must be one of"),
    ("nginx-ingress", {"controller": {"wildcardTls": {}}}, "additional properties 'wildcardTls' not allowed"),
    ("nginx-ingress", {"controller": {"defaultTLS": {"secret": "tls"}}}, "at '/controller/defaultTLS/secret'"),
    ("authentik", {"server": {"ingress": {"host": "a"}}}, "at '/server/ingress': additional properties 'host'"),
    ("authentik", {"serviceAccount": {"create": True}}, "at '/serviceAccount/create': value must be false"),
    ("homepage", {"config": {"setings": {}}}, "at '/config': additional properties 'setings' not allowed"),
    ("homepage", {"ingress": {"main": {"tls": True}}}, "at '/ingress/main/tls': got boolean, want array"),
]

# What the lab's controllers and the program know these charts by.
OBJECTS = {
    "metallb": {
        "CustomResourceDefinition/ipaddresspools.metallb.io",
        "CustomResourceDefinition/l2advertisements.metallb.io",
        "ValidatingWebhookConfiguration/metallb-webhook-configuration",
        "Deployment/metallb-controller",
        "DaemonSet/metallb-speaker",
    },
    "longhorn": {
        "ConfigMap/longhorn-storageclass",
        "ConfigMap/longhorn-default-setting",
        "CustomResourceDefinition/settings.longhorn.io",
        "CustomResourceDefinition/recurringjobs.longhorn.io",
        "DaemonSet/longhorn-manager",
        "Job/longhorn-uninstall",
        "Service/longhorn-frontend",
    },
    "nginx-ingress": {
        "CustomResourceDefinition/policies.k8s.nginx.org",
        "Deployment/nginx-ingress-controller",
        "IngressClass/nginx",
        "Service/nginx-ingress-controller",
    },
    "authentik": {"Deployment/authentik-server", "Deployment/authentik-worker", "Service/authentik-server"},
    "homepage": {"Deployment/homepage", "Ingress/homepage", "Service/homepage"},
}


@pytest.fixture(scope="session")
def helm() -> Path:
    return Toolchain().ensure(["helm"])["helm"].path


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the lab's chart repository."""
    folder = tmp_path_factory.mktemp("charts")
    publish(folder, None)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer((ADDRESS, 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://{ADDRESS}:{server.server_port}"
        server.shutdown()
        thread.join()


def template(helm: Path, chart: str, *arguments: str, values: Any = None) -> subprocess.CompletedProcess[str]:
    """Render a chart with our values file, and `values` over it."""
    command = [str(helm), "template", chart, chart, "--namespace=test", "--kube-version=1.35.4", "--include-crds"]
    files = [f"--values={REPOSITORY / 'helm' / chart}.yaml", "--values=-"]
    given = json.dumps(values or {})
    return subprocess.run([*command, *files, *arguments], input=given, capture_output=True, text=True, check=False)


def test_names_and_versions_are_those_of_the_settings() -> None:
    pinned = {name.replace("_", "-"): chart["version"] for name, chart in Charts().model_dump().items()}
    own = {path.name: yaml.safe_load((path / "Chart.yaml").read_text()) for path in CHARTS.glob("*/")}
    assert {chart["name"]: chart["version"] for chart in own.values()} == pinned
    assert sorted(own) == NAMES


@pytest.mark.parametrize("chart", NAMES)
def test_our_values_render_from_the_repository(helm: Path, repository: str, chart: str) -> None:
    version = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())["version"]
    result = template(helm, chart, f"--repo={repository}", f"--version={version}")
    assert result.returncode == 0, result.stderr
    made = {f"{item['kind']}/{item['metadata']['name']}" for item in yaml.safe_load_all(result.stdout) if item}
    assert made >= OBJECTS[chart]


@pytest.mark.parametrize(("chart", "values", "message"), SLIPS)
def test_an_unknown_value_is_refused(helm: Path, repository: str, chart: str, values: Any, message: str) -> None:
    result = template(helm, chart, f"--repo={repository}", values=values)
    assert result.returncode != 0
    assert message in result.stderr


@pytest.mark.parametrize("chart", NAMES)
def test_every_object_of_the_schema_is_closed(chart: str) -> None:
    def walk(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("additionalProperties") is not False:
                yield path
            for key, part in schema.items():
                yield from walk(part, f"{path}/{key}")

    assert list(walk(json.loads((CHARTS / chart / "values.schema.json").read_text()), chart)) == []


def test_the_same_charts_make_the_same_repository(tmp_path: Path) -> None:
    publish(tmp_path / "one", None)
    publish(tmp_path / "two", None)
    contents = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert contents[0] == contents[1]
    assert len(contents[0]) == len(NAMES) + 1


def test_a_given_archive_takes_the_place_of_the_labs_chart(tmp_path: Path) -> None:
    archives, folder = tmp_path / "archives", tmp_path / "repository"
    pack(archives / "metallb-9.9.9.tgz", {"name": "metallb", "version": "9.9.9"})
    publish(folder, None)
    charts = publish(folder, given_archives({"LAB_CHARTS": str(archives)}))
    assert [(chart.name, chart.version) for chart in charts if chart.official] == [("metallb", "9.9.9")]
    assert sorted(chart.name for chart in charts) == NAMES
    index = yaml.safe_load((folder / "index.yaml").read_text())["entries"]
    assert [entry["version"] for entry in index["metallb"]] == ["9.9.9"]
    assert sorted(path.name for path in folder.glob("metallb-*")) == ["metallb-9.9.9.tgz"]


def test_a_folder_without_archives_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"LAB_CHARTS: .*/absent holds no chart archive .*helm pull"):
        publish(tmp_path / "repository", tmp_path / "absent")
    assert not (tmp_path / "repository").exists()


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "metallb.tgz").write_text("a page of a proxy")
    with pytest.raises(ChartError, match=r"metallb\.tgz is not a chart archive"):
        publish(tmp_path / "repository", tmp_path)


def test_a_schema_that_refers_to_another_host_can_be_used_without_a_network(tmp_path: Path, helm: Path) -> None:
    remote = {"$ref": "https://unreachable.invalid/definitions.json"}
    properties = {"affinity": remote, "image": {"type": "string"}}
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    pack(tmp_path / "archives" / "a.tgz", {"apiVersion": "v2", "name": "metallb", "version": "1.0.0"}, schema)
    publish(tmp_path, tmp_path / "archives")
    outcomes = [
        subprocess.run(
            [str(helm), "template", "a", str(tmp_path / "metallb-1.0.0.tgz"), f"--set-json={value}"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        for value in ('affinity={"a":1}', "image=1", "images=1")
    ]
    assert outcomes[0] == ""
    assert "at '/image': got number, want string" in outcomes[1]
    assert "additional properties 'images' not allowed" in outcomes[2]


def pack(archive: Path, metadata: dict[str, str], schema: Any = None) -> None:
    folder = archive.parent / metadata["name"]
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    if schema:
        (folder / "values.schema.json").write_text(json.dumps(schema))
    with tarfile.open(archive, "w:gz") as content:
        content.add(folder, folder.name)


def test_a_real_api_server_takes_and_gives_back_every_object(
    helm: Path, repository: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("cluster")
    with cluster(home, find_tools()):
        # Longhorn's Pods are privileged, which this API server does not allow; that of a lab site does.
        for chart in sorted(set(NAMES) - {"longhorn"}):
            place = ["--namespace", chart, f"--kubeconfig={home}/kubeconfig"]
            values = f"--values={REPOSITORY / 'helm' / chart}.yaml"
            source = [chart, chart, f"--repo={repository}", values, *place]
            for command in (
                ["install", *source, "--create-namespace"],
                # Hooks are Jobs, and this cluster has no node to run them on.
                ["upgrade", *source, "--no-hooks"],
                ["uninstall", chart, *place, "--no-hooks"],
            ):
                result = subprocess.run([str(helm), *command], capture_output=True, text=True, check=False)
                assert result.returncode == 0, f"{chart}: {result.stderr}"
