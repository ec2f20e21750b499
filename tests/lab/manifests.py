"""Every Kubernetes object that a stack owns, and what the API server's own strict validation says of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

from lab.plugins.kubernetes.api import APPLY, Api, ApiError, NoSuchKind, Object
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from tests.lab.conftest import LabUnderTest

RELEASE = "kubernetes:helm.sh/v3:Release"


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, which Helm's own reader would."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            raise yaml.YAMLError(f"a key stands twice: {node.start_mark}")
        return mapping


def owned(lab: LabUnderTest, site: str) -> Iterator[tuple[str, Object]]:
    """Whose it is, and the object: those that the program declares, and those of its releases, hooks among them."""
    state = json.loads(lab.shell(site, "pulumi stack export --show-secrets").stdout)
    resources = [each for each in state["deployment"]["resources"] if each["type"].startswith("kubernetes:")]
    for resource in resources:
        if resource["inputs"].get("kind"):
            yield "program", plain(resource["inputs"])
    releases = {each["inputs"]["name"]: each["inputs"]["namespace"] for each in resources if each["type"] == RELEASE}
    get = "helm get manifest {0} -n {1} && echo --- && helm get hooks {0} -n {1} && printf '\\0'"
    found = lab.shell(site, " && ".join(get.format(*release) for release in releases.items()))
    assert found.returncode == 0, found.stderr
    for (name, namespace), text in zip(releases.items(), found.stdout.split("\0"), strict=False):
        for item in yaml.load_all(text, StrictLoader):
            if item:
                yield f"release {name}", _placed(item, namespace)


def refusals(lab: LabUnderTest, site: str) -> tuple[Counter[str], list[str]]:
    """How many objects of each owner were looked at, and what strict validation refuses, by object."""
    api = api_of(lab, site)
    looked_at, refused = Counter[str](), []
    for owner, item in owned(lab, site):
        looked_at[owner] += 1
        if message := refusal(api, item):
            metadata = item["metadata"]
            refused.append(f"{owner}: {item['kind']} {metadata.get('namespace', '')}/{metadata['name']}: {message}")
    return looked_at, refused


def api_of(lab: LabUnderTest, site: str) -> Api:
    return Api(Kubeconfig.load(lab.outputs(site, "--show-secrets")["kubeconfig"]))


def refusal(api: Api, item: Object) -> str:
    """What the server says to an object that it is not to keep; empty when it has nothing against it."""
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "strict-validation", "force": "true"}
    metadata = item["metadata"]
    try:
        served = api.served(item["apiVersion"], item["kind"])
        api.patch(served.path(metadata.get("namespace", ""), metadata["name"]), item, APPLY, **query)
    except (ApiError, NoSuchKind) as error:
        return str(error)
    return ""


def plain(value: Any) -> Any:
    """Inputs of a resource as `stack export --show-secrets` gives them, without the engine's marks."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "plaintext" in value:
        return plain(json.loads(value["plaintext"]))
    return {key: plain(each) for key, each in value.items() if not key.startswith("__")}


def _placed(item: Object, namespace: str) -> Object:
    """As Helm does: what names no namespace is in the release's."""
    return {**item, "metadata": {"namespace": namespace, **item["metadata"]}}
