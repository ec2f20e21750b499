"""Longhorn's manager and driver with the lab's chart on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.controllers.client import Cluster, Kind
from lab.controllers.config import Config
from lab.controllers.longhorn import BACKUP_TARGET, SETTING, STORAGE_CLASS, LonghornManager
from lab.controllers.volumes import CLAIM, VOLUME, LonghornDriver
from lab.plugins.kubernetes.api import Object
from tests.unit.controllers.conftest import events, eventually, helm, read, released, serving

NAMESPACE = "longhorn-system"
CHART = "lab/charts/longhorn"
POD = Kind("v1", "Pod")
DRIVER, PROVISIONED_BY = "driver.longhorn.io", "pv.kubernetes.io/provisioned-by"
FLAG = "deleting-confirmation-flag"


@pytest.fixture(scope="module")
def volumes(kubeconfig: Path, module_config: Config) -> Iterator[Path]:
    """Folder of the volumes' contents, while Longhorn and its controllers are up."""
    with (
        serving(module_config, [LonghornManager(module_config), LonghornDriver(module_config)]),
        released(kubeconfig, "longhorn", NAMESPACE, "--create-namespace"),
    ):
        yield module_config.volumes


def make_claim(admin: Cluster, name: str, **spec: Any) -> None:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    admin.create(CLAIM, {"metadata": {"name": name, "namespace": "default"}, "spec": wanted})


def bound(admin: Cluster, name: str) -> Object:
    """The claim's volume, when it is bound."""

    def look() -> Object | None:
        claim = read(admin, CLAIM, "default", name)
        return read(admin, VOLUME, "", claim["spec"]["volumeName"]) if claim and phase(claim) == "Bound" else None

    return eventually(look, f"{name} is bound")


def phase(item: Object) -> str:
    return str(item["status"]["phase"])


def test_life_of_a_volume(volumes: Path, admin: Cluster) -> None:
    make_claim(admin, "data")
    volume = bound(admin, "data")
    name = volume["metadata"]["name"]
    assert volume["spec"]["storageClassName"] == "longhorn", "it is the default class"
    assert volume["spec"]["csi"]["driver"] == "driver.longhorn.io"
    assert volume["spec"]["csi"]["volumeAttributes"]["numberOfReplicas"] == "3"
    provisioned = ("ProvisioningSucceeded", f"Successfully provisioned volume {name}")
    eventually(lambda: provisioned in events(admin, "default", "data"), "its event")
    eventually((volumes / name).is_dir, "its folder")

    pod = {
        "containers": [{"name": "app", "image": "app:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    admin.create(POD, {"metadata": {"name": "user", "namespace": "default"}, "spec": pod})
    attachments = Kind("storage.k8s.io/v1", "VolumeAttachment")
    path = admin.api.served(*attachments).path()

    def attached() -> list[bool]:
        return [item["status"]["attached"] for item in admin.api.get(path)["items"]]

    eventually(lambda: attached() == [True], "it is attached for the Pod")

    claim = read(admin, CLAIM, "default", "data")
    assert claim
    admin.patch(CLAIM, claim, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})

    def size() -> str:
        grown = read(admin, CLAIM, "default", "data")
        return str(grown["status"]["capacity"]["storage"]) if grown else ""

    eventually(lambda: size() == "2Gi", "it grows")
    assert bound(admin, "data")["spec"]["capacity"] == {"storage": "2Gi"}

    user = read(admin, POD, "default", "user")
    assert user
    admin.delete(CLAIM, claim)
    assert read(admin, VOLUME, "", name), "a volume in use stays"
    admin.delete(POD, user)
    eventually(lambda: read(admin, VOLUME, "", name) is None, "the volume goes with its claim")
    eventually(lambda: not (volumes / name).exists(), "and so does its content")


def test_a_claim_waits_for_its_consumer(volumes: Path, admin: Cluster, kubeconfig: Path) -> None:
    late = {"metadata": {"name": "late"}, "provisioner": "driver.longhorn.io", "reclaimPolicy": "Retain"}
    admin.create(STORAGE_CLASS, {**late, "volumeBindingMode": "WaitForFirstConsumer"})
    make_claim(admin, "late", storageClassName="late")
    make_claim(admin, "now")
    bound(admin, "now")
    claim = read(admin, CLAIM, "default", "late")
    assert claim
    assert phase(claim) == "Pending"
    pod = {
        "containers": [{"name": "app", "image": "app:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "late"}}],
    }
    admin.create(POD, {"metadata": {"name": "late", "namespace": "default"}, "spec": pod})
    volume = bound(admin, "late")
    for kind in (POD, CLAIM):
        admin.delete(kind, read(admin, kind, "default", "late") or {})
    name = volume["metadata"]["name"]
    eventually(lambda: phase(read(admin, VOLUME, "", name) or {}) == "Released", "a retained volume stays")
    assert (volumes / name).is_dir()
    admin.delete(VOLUME, volume)
    eventually(lambda: not (volumes / name).exists(), "its content goes with it")


def test_a_volume_made_by_hand_is_for_the_claim_it_is_reserved_for(volumes: Path, admin: Cluster) -> None:
    for name, noted in (("foreign", {}), ("restored", {PROVISIONED_BY: DRIVER})):
        spec = {
            "storageClassName": "longhorn",
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {"namespace": "default", "name": name},
            "csi": {"driver": DRIVER, "volumeHandle": name},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        admin.create(VOLUME, {"metadata": {"name": name, "annotations": noted}, "spec": spec})
    eventually((volumes / "restored").is_dir, "its folder")
    make_claim(admin, "another")
    assert bound(admin, "another")["metadata"]["name"] not in ("foreign", "restored")

    for name in ("foreign", "restored"):
        make_claim(admin, name)
        assert bound(admin, name)["metadata"]["name"] == name
        admin.delete(CLAIM, read(admin, CLAIM, "default", name) or {})
        eventually(partial(is_released, admin, name), "its claim is gone")

    eventually(lambda: read(admin, VOLUME, "", "restored") is None, "it goes with its claim")
    foreign = read(admin, VOLUME, "", "foreign")
    assert foreign, "the driver has not provisioned it"
    for kind, item in ((VOLUME, foreign), (CLAIM, read(admin, CLAIM, "default", "another"))):
        admin.delete(kind, item or {})


def is_released(admin: Cluster, name: str) -> bool:
    volume = read(admin, VOLUME, "", name)
    return volume is None or phase(volume) == "Released"


def test_what_the_lab_cannot_provision(volumes: Path, admin: Cluster) -> None:
    make_claim(admin, "copy", selector={"matchLabels": {"a": "b"}})
    message = "the lab's volumes start empty: spec.selector cannot be honoured"
    eventually(lambda: ("ProvisioningFailed", message) in events(admin, "default", "copy"), "the refusal")


def test_the_class_and_settings_follow_their_config_maps(volumes: Path, admin: Cluster, kubeconfig: Path) -> None:
    changes = (
        "persistence.defaultClassReplicaCount=2",
        "persistence.reclaimPolicy=Retain",
        "defaultSettings.nodeDrainPolicy=always-allow",
    )
    arguments = ("longhorn", CHART, "-n", NAMESPACE, "--no-hooks", "--wait", f"--set={','.join(changes)}")
    helm(kubeconfig, "upgrade", *arguments)

    def changed() -> bool:
        item = read(admin, STORAGE_CLASS, "", "longhorn")
        return bool(item and item["parameters"]["numberOfReplicas"] == "2" and item["reclaimPolicy"] == "Retain")

    eventually(changed, "the class is made anew")
    setting = eventually(lambda: read(admin, SETTING, NAMESPACE, "node-drain-policy"), "the setting")
    assert setting["value"] == "always-allow"


def test_the_default_backup_target_follows_its_config_map(volumes: Path, admin: Cluster, kubeconfig: Path) -> None:
    def upgrade(*values: str) -> None:
        store = [f"--set=defaultBackupStore.{value}" for value in values]
        helm(kubeconfig, "upgrade", "longhorn", CHART, "-n", NAMESPACE, "--no-hooks", "--wait", *store)

    def is_now(url: str, secret: str) -> bool:
        spec = (read(admin, BACKUP_TARGET, NAMESPACE, "default") or {}).get("spec", {})
        return (spec.get("backupTargetURL"), spec.get("credentialSecret")) == (url, secret)

    eventually(lambda: is_now("", ""), "there is one from the start")
    upgrade("backupTarget=nfs://10.0.0.1:/backup", "backupTargetCredentialSecret=store")
    eventually(lambda: is_now("nfs://10.0.0.1:/backup", "store"), "the store, after an upgrade")
    upgrade("backupTargetCredentialSecret=")
    eventually(lambda: is_now("nfs://10.0.0.1:/backup", ""), "what is left out stays, what is empty goes")


def test_uninstall_needs_the_confirmation(volumes: Path, admin: Cluster, kubeconfig: Path) -> None:
    assert eventually(lambda: read(admin, SETTING, NAMESPACE, FLAG), "the setting")["value"] == "false"
    uninstall = ("uninstall", "longhorn", "-n", NAMESPACE, "--wait")
    refused = helm(kubeconfig, *uninstall)
    assert refused.returncode, "it is refused"
    assert "BackoffLimitExceeded" in refused.stderr
    assert read(admin, STORAGE_CLASS, "", "longhorn"), "nothing has been removed"

    setting = read(admin, SETTING, NAMESPACE, FLAG)
    assert setting
    admin.patch(SETTING, setting, {"value": "true"})  # Helm upgrades no release whose uninstall has failed
    done = helm(kubeconfig, *uninstall)
    assert not done.returncode, done.stderr
    eventually(lambda: read(admin, STORAGE_CLASS, "", "longhorn") is None, "the class goes with Longhorn")
