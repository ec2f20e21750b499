"""Create, preview, change, refresh, import and delete objects of a real API server."""

from __future__ import annotations

import pytest

from lab.plugins.base import UNKNOWN, PartialCreate, Props, ResourceError
from lab.plugins.kubernetes import PLUGIN
from lab.plugins.kubernetes.api import Api, ApiError
from lab.plugins.kubernetes.provider import Provider
from tests.unit.plugins.kubernetes.engine import Engine, containers

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def config_map(namespace: str, **data: str) -> Props:
    return {"metadata": {"name": "settings", "namespace": namespace}, "data": data}


def test_lifecycle(provider: Provider, api: Api, namespace: str) -> None:
    engine = Engine(CONFIG_MAP, provider)
    outputs = engine.create(config_map(namespace, colour="red"))
    assert engine.id == f"{namespace}/settings"
    assert outputs["data"] == {"colour": "red"}
    assert outputs["metadata"]["uid"]
    assert not engine.diff(config_map(namespace, colour="red")).changes
    assert engine.refresh()
    assert not engine.diff(config_map(namespace, colour="red")).changes
    engine.delete()
    assert not engine.refresh()
    engine.delete()  # gone already: no error
    with pytest.raises(ApiError):
        api.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")


def test_labels_are_updated_in_place(provider: Provider, api: Api, namespace: str) -> None:
    engine = Engine(CONFIG_MAP, provider)
    inputs = config_map(namespace, colour="red")
    inputs["metadata"]["labels"] = {"keep": "1", "drop": "1"}
    uid = engine.create(inputs)["metadata"]["uid"]
    changed = config_map(namespace, colour="red")
    changed["metadata"]["labels"] = {"keep": "2"}
    diff = engine.diff(changed)
    assert {path: (change.kind, change.replace) for path, change in diff.changes.items()} == {
        "metadata.labels.drop": ("delete", False),
        "metadata.labels.keep": ("update", False),
    }
    outputs = engine.update(changed)
    assert outputs["metadata"]["uid"] == uid
    assert outputs["metadata"]["labels"] == {"keep": "2"}, "a dropped label goes, as its creator hands its fields over"
    manager = outputs["__fieldManager"]
    assert manager.startswith("pulumi-kubernetes-")
    changed["metadata"]["labels"] = {}
    assert engine.update(changed)["__fieldManager"] == manager


@pytest.mark.parametrize(
    ("token", "inputs", "change", "replaces"),
    [
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, True),
        ("kubernetes:core/v1:Secret", {"stringData": {"a": "1"}}, {"stringData": {"a": "2"}}, True),
        ("kubernetes:core/v1:Service", {"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 81}]}}, False),
        (
            "kubernetes:apps/v1:Deployment",
            {"spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "a"}}}},
            {"spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "b"}}}},
            True,
        ),
        ("kubernetes:apps/v1:Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, False),
        (
            "kubernetes:core/v1:Pod",
            {"spec": {"containers": containers("app:1")}},
            {"spec": {"containers": containers("app:2")}},
            True,
        ),
        ("kubernetes:batch/v1:Job", {"spec": {"template": {}}}, {"spec": {"template": {"spec": {}}}}, True),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            {"roleRef": {"name": "a"}},
            {"roleRef": {"name": "b"}},
            True,
        ),
        ("kubernetes:storage.k8s.io/v1:StorageClass", {"provisioner": "a"}, {"provisioner": "b"}, True),
    ],
)
def test_what_replaces(token: str, inputs: Props, change: Props, replaces: bool) -> None:
    offline = PLUGIN.configure({})
    engine = Engine(token, offline)
    metadata = {"name": "mine", "namespace": "default"}
    engine.inputs = engine.check({"metadata": metadata, **inputs})
    engine.outputs = engine.inputs
    diff = engine.diff({"metadata": metadata, **change})
    assert [change.replace for change in diff.changes.values()] == [replaces] * len(diff.changes)
    assert diff.changes
    assert diff.delete_before_replace == replaces


def test_config_map_and_secret_can_be_made_mutable() -> None:
    offline = PLUGIN.configure({"enableConfigMapMutable": True, "enableSecretMutable": True})
    for token in (CONFIG_MAP, "kubernetes:core/v1:Secret"):
        engine = Engine(token, offline)
        engine.inputs = engine.outputs = engine.check({"metadata": {"name": "mine"}, "data": {"a": "MQ=="}})
        diff = engine.diff({"metadata": {"name": "mine"}, "data": {"a": "Mg=="}})
        assert not any(change.replace for change in diff.changes.values())
        immutable = engine.diff({"metadata": {"name": "mine"}, "data": {"a": "Mg=="}, "immutable": True})
        assert immutable.changes["data.a"].replace


def test_a_moved_object_is_replaced_without_deleting_first() -> None:
    engine = Engine(CONFIG_MAP, PLUGIN.configure({}))
    engine.inputs = engine.outputs = engine.check({"metadata": {"name": "mine", "namespace": "a"}})
    diff = engine.diff({"metadata": {"name": "mine", "namespace": "b"}})
    assert diff.changes["metadata.namespace"].replace
    assert not diff.delete_before_replace


def test_generated_name_is_kept(provider: Provider, namespace: str) -> None:
    engine = Engine(CONFIG_MAP, provider, name="colours")
    inputs: Props = {"metadata": {"namespace": namespace}, "data": {"a": "1"}}
    name = engine.create(inputs)["metadata"]["name"]
    assert name.startswith("colours-")
    assert len(name) == len("colours-") + 8
    assert not engine.diff(inputs).changes
    diff = engine.diff({**inputs, "data": {"a": "2"}})
    assert diff.changes["data.a"].replace
    assert not diff.delete_before_replace, "the replacement gets a name of its own"


def test_namespace_defaults(kubeconfig: str, namespace: str) -> None:
    provider = PLUGIN.configure({"kubeconfig": kubeconfig, "namespace": namespace})
    engine = Engine(CONFIG_MAP, provider)
    assert engine.create({"metadata": {"name": "settings"}})["metadata"]["namespace"] == namespace
    cluster_wide = Engine("kubernetes:core/v1:Namespace", provider)
    assert "namespace" not in cluster_wide.check({"metadata": {"name": "other"}})["metadata"]
    offline = Engine(CONFIG_MAP, PLUGIN.configure({"kubeconfig": UNKNOWN}))
    offline.inputs, offline.outputs = engine.inputs, engine.outputs
    assert not offline.diff({"metadata": {"name": "settings"}}).changes, "no replacement while the cluster is unknown"


def test_existing_object_is_an_error(provider: Provider, kubeconfig: str, namespace: str) -> None:
    Engine(CONFIG_MAP, provider).create(config_map(namespace, colour="red"))
    with pytest.raises(ResourceError, match="already exists") as raised:
        Engine(CONFIG_MAP, provider).create(config_map(namespace, colour="blue"))
    assert "pulumi import" in str(raised.value)
    upserting = PLUGIN.configure({"kubeconfig": kubeconfig, "upsertExistingObjects": True})
    with pytest.raises(ResourceError, match="field conflict"):
        Engine(CONFIG_MAP, upserting).create(config_map(namespace, colour="blue"))
    assert Engine(CONFIG_MAP, upserting).create(config_map(namespace, colour="red"))["data"] == {"colour": "red"}


def test_field_conflict_and_force(provider: Provider, api: Api, namespace: str) -> None:
    engine = Engine("kubernetes:core/v1:Service", provider)
    inputs: Props = {"metadata": {"name": "web", "namespace": namespace}, "spec": {"ports": [{"port": 80}]}}
    engine.create(inputs)
    path = f"/api/v1/namespaces/{namespace}/services/web"
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"labels": {"owner": "theirs"}}}
    api.patch(path, theirs, "application/apply-patch+yaml", fieldManager="somebody-else")
    ours: Props = {**inputs, "metadata": {**inputs["metadata"], "labels": {"owner": "ours"}}}
    with pytest.raises(ResourceError, match=r"(?s)field conflict detected.*somebody-else"):
        engine.update(ours)
    ours["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    assert engine.update(ours)["metadata"]["labels"] == {"owner": "ours"}


def test_refresh_shows_drift_and_only_drift(provider: Provider, api: Api, namespace: str, node: str) -> None:
    engine = Engine("kubernetes:apps/v1:Deployment", provider)
    inputs: Props = {
        "metadata": {"name": "web", "namespace": namespace, "labels": {"tier": "front"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "nodeName": node,
                    "containers": containers(resources={"requests": {"cpu": "0.5", "memory": "1024Mi"}}),
                },
            },
        },
    }
    engine.create(inputs)
    assert engine.refresh()
    assert not engine.diff(inputs).changes, "0.5 CPU is stored as 500m: the same thing"
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    labels = {"tier": "back", "added": "later"}
    api.patch(path, {"metadata": {"labels": labels}}, "application/merge-patch+json")
    assert engine.refresh()
    assert list(engine.diff(inputs).changes) == ["metadata.labels.tier"]
    assert engine.inputs["metadata"]["labels"] == {"tier": "back"}


def test_import_needs_the_id_only(provider: Provider, api: Api, namespace: str) -> None:
    Engine(CONFIG_MAP, provider).create(config_map(namespace, colour="red"))
    engine = Engine(CONFIG_MAP, provider)
    engine.id = f"{namespace}/settings"
    assert engine.refresh()
    assert engine.inputs == {"apiVersion": "v1", "kind": "ConfigMap", **config_map(namespace, colour="red")}
    assert not engine.diff(config_map(namespace, colour="red")).changes


def test_secret_content_is_secret(provider: Provider, namespace: str) -> None:
    resource = PLUGIN.resource("kubernetes:core/v1:Secret")
    assert resource.secret_outputs == {"data", "stringData"}
    engine = Engine("kubernetes:core/v1:Secret", provider)
    inputs: Props = {"metadata": {"name": "key", "namespace": namespace}, "stringData": {"password": "s3same"}}
    assert engine.create(inputs)["data"] == {"password": "czNzYW1l"}
    assert engine.refresh()
    assert not engine.diff(inputs).changes


def test_preview_asks_the_server(provider: Provider, api: Api, namespace: str) -> None:
    engine = Engine("kubernetes:core/v1:Service", provider)
    good: Props = {"metadata": {"name": "web", "namespace": namespace}, "spec": {"ports": [{"port": 80}]}}
    foreseen = engine.resource.preview_create(engine.check(good), engine.call)
    assert foreseen["spec"]["type"] == "ClusterIP", "the server's defaults show in the preview"
    assert "status" not in foreseen
    bad = engine.check({**good, "spec": {"ports": [{"port": 99999}]}})
    with pytest.raises(ResourceError, match=r"spec\.ports\[0\]\.port"):
        engine.resource.preview_create(bad, engine.call)
    with pytest.raises(ApiError):
        api.get(f"/api/v1/namespaces/{namespace}/services/web")
    engine.create(good)
    changed = engine.check({**good, "spec": {"ports": [{"port": 81}]}})
    foreseen = engine.resource.preview_update(engine.id, engine.outputs, engine.inputs, changed, engine.call)
    assert foreseen["spec"]["ports"][0]["port"] == 81
    assert api.get(f"/api/v1/namespaces/{namespace}/services/web")["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize("args", [{}, {"kubeconfig": UNKNOWN}, {"kubeconfig": "/nowhere"}])
def test_preview_works_without_a_cluster(args: Props) -> None:
    engine = Engine(CONFIG_MAP, PLUGIN.configure(args))
    inputs = engine.check({"metadata": {"name": "a"}, "data": {"key": UNKNOWN}})
    assert engine.resource.preview_create(inputs, engine.call) == inputs
    changed = engine.check({"metadata": {"name": "a"}, "data": {"key": "known"}})
    engine.resource.preview_update("default/a", inputs, inputs, changed, engine.call)
    with pytest.raises(ResourceError, match="cluster is unreachable"):
        engine.resource.create(changed, engine.call)


def test_preview_of_what_is_not_there_yet(provider: Provider) -> None:
    later = Engine(CONFIG_MAP, provider)
    inputs = later.check({"metadata": {"name": "a", "namespace": "not-made-yet"}})
    assert later.resource.preview_create(inputs, later.call) == inputs
    custom = Engine("kubernetes:lab.example/v1:Gadget", provider)
    inputs = custom.check({"metadata": {"name": "a"}, "spec": {"size": 1}})
    assert custom.resource.preview_create(inputs, custom.call) == inputs


def test_custom_resources(provider: Provider, namespace: str) -> None:
    definition = Engine("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", provider)
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x_kubernetes_preserve_unknown_fields": True}},
    }
    inputs: Props = {
        "metadata": {"name": "widgets.lab.example"},
        "spec": {
            "group": "lab.example",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    definition.create(inputs)
    assert definition.refresh()
    assert not definition.diff(inputs).changes
    widget = Engine("kubernetes:lab.example/v1:Widget", provider)
    widget_inputs: Props = {"metadata": {"name": "w", "namespace": namespace}, "spec": {"size": 1}}
    assert widget.create(widget_inputs)["spec"] == {"size": 1}
    widget_inputs["spec"] = {"size": 2}
    assert widget.update(widget_inputs)["spec"] == {"size": 2}
    inputs["metadata"]["labels"] = {"changed": "yes"}
    assert definition.update(inputs)["metadata"]["labels"] == {"changed": "yes"}
    assert widget.refresh(), "an updated definition keeps its objects"
    definition.delete()
    assert not widget.refresh()
    widget.delete()


def test_unknown_kind(provider: Provider) -> None:
    engine = Engine("kubernetes:lab.example/v9:Gizmo", provider)
    engine.call.cancelled.set()  # do not wait for the definition
    with pytest.raises(ResourceError, match="Verify that any required CRDs have been created"):
        engine.create({"metadata": {"name": "a"}})


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        (CONFIG_MAP, {"kind": "Secret"}, "the resource's type says 'ConfigMap'"),
        (CONFIG_MAP, {"apiVersion": "v2"}, "the resource's type says 'v1'"),
        (CONFIG_MAP, {"metadata": {"annotations": {"pulumi.com/waitFor": "condition=Ready"}}}, "pulumi.com/waitFor"),
        (CONFIG_MAP, {"metadata": {"generateName": "a-"}}, "not supported in Server-Side Apply"),
        ("kubernetes:core/v1:NamespacePatch", {"kind": "Namespace"}, "patch resources"),
        ("kubernetes:core/v1:ConfigMapList", {"items": []}, "list resources"),
    ],
)
def test_refused_inputs(token: str, inputs: Props, message: str) -> None:
    engine = Engine(token, PLUGIN.configure({}))
    _, failures = engine.resource.check(inputs, None, engine.call)
    assert [failure for failure in failures if message in failure.reason], failures


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:yaml:ConfigFile",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:kustomize:Directory",
        "kubernetes:helm.sh/v4:Chart",
    ],
)
def test_refused_types(token: str) -> None:
    with pytest.raises(ResourceError, match=token):
        PLUGIN.resource(token)


def test_deletion_waits_for_finalizers(provider: Provider, api: Api, namespace: str) -> None:
    engine = Engine(CONFIG_MAP, provider, timeout=1.0)
    inputs = config_map(namespace, colour="red")
    inputs["metadata"]["finalizers"] = ["lab.example/hold"]
    engine.create(inputs)
    with pytest.raises(ResourceError, match=r"held by the finalizer lab\.example/hold"):
        engine.delete()
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    api.patch(path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    engine.delete()
    assert not engine.refresh()


def test_partial_creation_is_kept(provider: Provider, namespace: str) -> None:
    engine = Engine("kubernetes:core/v1:Pod", provider)
    inputs: Props = {
        "metadata": {"name": "stuck", "namespace": namespace, "annotations": {"pulumi.com/timeoutSeconds": "1"}},
        "spec": {"containers": containers()},
    }
    with pytest.raises(PartialCreate, match="timed out waiting to be Ready") as raised:
        engine.create(inputs)
    assert raised.value.id == f"{namespace}/stuck"
    assert raised.value.outputs["spec"]["containers"][0]["image"] == "app:1"
