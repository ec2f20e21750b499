"""Longhorn's CSI driver: provisions, attaches, grows and deletes persistent volumes.

A volume is a folder on this machine, for those controllers that run a real process in the place of
a played Pod. Its objects look like those of the real driver's sidecars
(https://kubernetes-csi.github.io/docs/sidecar-containers.html).
"""

from __future__ import annotations

import logging
import shutil
import threading
from typing import Final

from lab.controllers.client import Cluster, Kind, View
from lab.controllers.config import Config
from lab.controllers.longhorn import DAEMON_SET, DRIVER, MANAGER, STORAGE_CLASS
from lab.plugins.kubernetes.api import Object

ATTACHMENT: Final = Kind("storage.k8s.io/v1", "VolumeAttachment")
CLAIM: Final = Kind("v1", "PersistentVolumeClaim")
VOLUME: Final = Kind("v1", "PersistentVolume")

_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
"""The cluster's own controller puts it on a claim when it is the driver's turn."""
_PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"

_log = logging.getLogger(__name__)


class LonghornDriver:
    """Works while Longhorn's manager is ready."""

    name = DRIVER

    def __init__(self, config: Config) -> None:
        self._folder = config.volumes
        self._refused: set[str] = set()
        """Uids of claims: a refusal is an event once."""

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        for view in cluster.follow(stop, ATTACHMENT, CLAIM, DAEMON_SET, STORAGE_CLASS, VOLUME):
            volumes = [item for item in view.all(VOLUME) if item["spec"].get("csi", {}).get("driver") == DRIVER]
            if _ready(view):
                self._provision(cluster, view)
                _attach(cluster, view)
                for volume in volumes:
                    _grow(cluster, view, volume)
                    _reclaim(cluster, view, volume)
            self._keep_folders({volume["metadata"]["name"] for volume in volumes})

    def _provision(self, cluster: Cluster, view: View) -> None:
        for claim in view.all(CLAIM):
            annotations = claim["metadata"].get("annotations", {})
            storage_class = view.get(STORAGE_CLASS, "", claim["spec"].get("storageClassName", ""))
            if annotations.get(_PROVISIONER) != DRIVER or claim["spec"].get("volumeName") or not storage_class:
                continue
            unsupported = [name for name in ("dataSource", "selector") if claim["spec"].get(name)]
            if unsupported:
                self._refuse(cluster, claim, unsupported)
                continue
            volume = _volume(claim, storage_class)
            if cluster.create(VOLUME, volume):
                name = volume["metadata"]["name"]
                cluster.event(CLAIM, claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
                _log.info("%s/%s: %s", claim["metadata"]["namespace"], claim["metadata"]["name"], name)

    def _refuse(self, cluster: Cluster, claim: Object, unsupported: list[str]) -> None:
        if claim["metadata"]["uid"] not in self._refused:
            self._refused.add(claim["metadata"]["uid"])
            message = f"the lab's volumes start empty: spec.{' and spec.'.join(unsupported)} cannot be honoured"
            cluster.event(CLAIM, claim, "ProvisioningFailed", message, warning=True)

    def _keep_folders(self, names: set[str]) -> None:
        """A folder for each volume, and none without: what another cluster left behind goes too."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            (self._folder / name).mkdir(mode=0o700, exist_ok=True)
        for folder in self._folder.iterdir():
            if folder.name not in names:
                shutil.rmtree(folder)


def _ready(view: View) -> bool:
    return any(
        item["metadata"]["name"] == MANAGER and item["status"].get("numberReady") for item in view.all(DAEMON_SET)
    )


def _volume(claim: Object, storage_class: Object) -> Object:
    name = f"pvc-{claim['metadata']['uid']}"
    parameters = storage_class.get("parameters", {})
    spec = claim["spec"]
    return {
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: DRIVER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim["metadata"]["namespace"],
                "name": claim["metadata"]["name"],
                "uid": claim["metadata"]["uid"],
                "resourceVersion": claim["metadata"]["resourceVersion"],
            },
            "csi": {
                "driver": DRIVER,
                "fsType": parameters.get("fsType", "ext4"),
                "volumeHandle": name,
                "volumeAttributes": parameters,
            },
            "mountOptions": storage_class.get("mountOptions", []),
            "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
            "storageClassName": spec["storageClassName"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
        },
    }


def _attach(cluster: Cluster, view: View) -> None:
    for attachment in view.all(ATTACHMENT):
        waits = not attachment.get("status", {}).get("attached") and "deletionTimestamp" not in attachment["metadata"]
        if attachment["spec"]["attacher"] == DRIVER and waits:
            cluster.patch_status(ATTACHMENT, attachment, {"attached": True})


def _grow(cluster: Cluster, view: View, volume: Object) -> None:
    """The API server has allowed the change (`allowVolumeExpansion`) when the claim asks for another size."""
    reference = volume["spec"].get("claimRef", {})
    # One that was made by hand may be reserved for a claim that is not there yet, or for none.
    claim = view.get(CLAIM, reference["namespace"], reference["name"]) if "uid" in reference else None
    if not claim or claim["metadata"]["uid"] != reference["uid"] or claim["status"]["phase"] != "Bound":
        return
    wanted = {"storage": claim["spec"]["resources"]["requests"]["storage"]}
    if volume["spec"]["capacity"] != wanted:
        cluster.patch(VOLUME, volume, {"spec": {"capacity": wanted}})
    if claim["status"].get("capacity") != wanted:
        cluster.patch_status(CLAIM, claim, {"capacity": wanted, "conditions": None})


def _reclaim(cluster: Cluster, view: View, volume: Object) -> None:
    """As the driver's provisioner does: one that was made by hand is its own only if it says so."""
    name = volume["metadata"]["name"]
    if volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) != DRIVER:
        return
    released = volume["status"]["phase"] == "Released" and "deletionTimestamp" not in volume["metadata"]
    attached = any(item["spec"]["source"].get("persistentVolumeName") == name for item in view.all(ATTACHMENT))
    if released and not attached and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
        cluster.delete(VOLUME, volume)
        _log.info("%s deleted: its claim is gone", name)
