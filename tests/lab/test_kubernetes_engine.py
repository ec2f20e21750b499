"""The lab's kubernetes plugin attached to the real engine, against a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.plugins.kubernetes.api import Api
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from tests.lab.project import Project, running_plugins
from tests.unit.plugins.kubernetes.cluster import cluster, find_tools

PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

config = pulumi.Config()
password = random.RandomPassword("password", length=24)
# As in a site's first run, nobody knows the kubeconfig before something was made.
kubeconfig = pulumi.Output.all(config.require_secret("kubeconfig"), password.result).apply(lambda values: values[0])
provider = k8s.Provider("cluster", kubeconfig=kubeconfig, cluster_identifier="paris", enable_server_side_apply=True)
opts = pulumi.ResourceOptions(provider=provider)

namespace = k8s.core.v1.Namespace("shop", metadata={"name": "shop"}, opts=opts)
place = {"namespace": namespace.metadata.name}
content = {"password": password.result}
k8s.core.v1.Secret("secret", metadata={"name": "password", **place}, string_data=content, opts=opts)
k8s.core.v1.ConfigMap("settings", metadata=place, data={**content, "size": "1"}, opts=opts)
env = [k8s.core.v1.EnvVarArgs(name="PASSWORD", value=password.result)]
web = k8s.apps.v1.Deployment(
    "web",
    metadata=k8s.meta.v1.ObjectMetaArgs(name="web", labels={"generation": config.require("generation")}, **place),
    spec=k8s.apps.v1.DeploymentSpecArgs(
        replicas=2,
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels={"app": "web"}),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels={"app": "web"}),
            spec=k8s.core.v1.PodSpecArgs(
                node_name="worker-1",
                containers=[k8s.core.v1.ContainerArgs(name="web", image="app:1", env=env)],
            ),
        ),
    ),
    opts=opts,
)
service = k8s.core.v1.Service(
    "web",
    metadata={"name": "web", **place},
    spec=k8s.core.v1.ServiceSpecArgs(selector={"app": "web"}, ports=[k8s.core.v1.ServicePortArgs(port=80)]),
    opts=opts,
)
widgets = k8s.apiextensions.v1.CustomResourceDefinition(
    "widgets",
    metadata={"name": "widgets.lab.example"},
    spec={
        "group": "lab.example",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"open_apiv3_schema": {"type": "object", "x_kubernetes_preserve_unknown_fields": True}},
            }
        ],
    },
    opts=opts,
)
k8s.apiextensions.CustomResource(
    "widget",
    api_version="lab.example/v1",
    kind="Widget",
    metadata={"name": "widget", **place},
    spec={"size": 1},
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[widgets]),
)
k8s.core.v1.ConfigMap(
    "adopted",
    metadata={"name": "adopted", "namespace": "default"},
    data={"by": "hand"},
    opts=pulumi.ResourceOptions(provider=provider, import_=config.get("import")),
)
pulumi.export("clusterIp", service.spec.cluster_ip)
pulumi.export("ready", web.status.ready_replicas)
pulumi.export("password", password.result)
"""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("cluster"), find_tools()) as text:
        Api(Kubeconfig.load(text)).post("/api/v1/nodes", {"metadata": {"name": "worker-1"}})
        yield text


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Value of PULUMI_DEBUG_PROVIDERS."""
    with running_plugins(tmp_path_factory.mktemp("plugins"), "random,kubernetes") as attached:
        yield attached


def test_life_of_a_stack(tmp_path: Path, plugins: str, kubeconfig: str) -> None:
    api = Api(Kubeconfig.load(kubeconfig))
    api.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "adopted"}, "data": {"by": "hand"}})
    project = Project(tmp_path, plugins, PROGRAM)
    project.pulumi("config", "set", "--secret", "kubeconfig", given=kubeconfig)
    project.configure(generation="1", **{"import": "default/adopted"})

    preview = project.pulumi("preview")
    assert "kubernetes:lab.example/v1:Widget widget create" in preview

    project.pulumi("up", "--yes")
    outputs = project.outputs()
    assert outputs["ready"] == 2
    assert outputs["clusterIp"].startswith("10.233.")
    assert outputs["password"] not in project.state
    assert "not-a-secret-of-anyone" not in project.state, "the kubeconfig's token"

    project.pulumi("up", "--yes", "--expect-no-changes")
    project.pulumi("refresh", "--yes", "--expect-no-changes")
    project.pulumi("preview", "--expect-no-changes")

    widget, by_hand = "/apis/lab.example/v1/namespaces/shop/widgets/widget", {"spec": {"size": 7}}
    api.patch(widget, by_hand, "application/merge-patch+json", fieldManager="kubectl-edit")
    project.pulumi("refresh", "--yes")
    assert "[diff: ~spec]" in project.pulumi("preview")

    # A renewed kubeconfig updates the provider and replaces nothing.
    project.pulumi("config", "set", "--secret", "kubeconfig", given=f"{kubeconfig}\n# renewed\n")
    project.configure(generation="2", **{"import": ""})
    uid = api.get("/apis/apps/v1/namespaces/shop/deployments/web")["metadata"]["uid"]
    changed = project.pulumi("up", "--yes")
    assert "replace" not in changed
    live = api.get("/apis/apps/v1/namespaces/shop/deployments/web")
    assert (live["metadata"]["uid"], live["metadata"]["labels"]["generation"]) == (uid, "2")
    assert api.get(widget)["spec"]["size"] == 1

    project.pulumi("destroy", "--yes")
    assert "shop" not in [item["metadata"]["name"] for item in api.get("/api/v1/namespaces")["items"]]
    assert json.loads(project.state)["checkpoint"]["latest"].get("resources", []) in ([], None)
