"""Longhorn's manager: what it makes at run time from the chart's ConfigMaps, and its guard against an uninstall.

It acts while the DaemonSet `longhorn-manager` has a ready Pod. The volumes are lab/controllers/volumes.py's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

import yaml

from lab.controllers.client import Cluster, Kind, View
from lab.controllers.config import Config
from lab.plugins.kubernetes.api import NoSuchKind, Object

BACKUP_TARGET: Final = Kind("longhorn.io/v1beta2", "BackupTarget")
CONFIG_MAP: Final = Kind("v1", "ConfigMap")
DAEMON_SET: Final = Kind("apps/v1", "DaemonSet")
POD: Final = Kind("v1", "Pod")
SETTING: Final = Kind("longhorn.io/v1beta2", "Setting")
STORAGE_CLASS: Final = Kind("storage.k8s.io/v1", "StorageClass")

DRIVER: Final = "driver.longhorn.io"
MANAGER: Final = "longhorn-manager"

_APPLIED: Final = "longhorn.io/last-applied-configmap"
"""On a StorageClass: the text that it was made from."""
_SETTINGS_VERSION: Final = "longhorn.io/configmap-resource-version"
"""On a Setting: the version of the ConfigMap that was last copied into it."""
_CONFIRMATION: Final = "deleting-confirmation-flag"
_DEFAULTS: Final = {_CONFIRMATION: "false"}
"""Of all of Longhorn's settings only this one changes what the lab does."""
_BACKUP_TARGET_KEYS: Final = {
    "backup-target": "backupTargetURL",
    "backup-target-credential-secret": "credentialSecret",
}
"""In the ConfigMap, and in the BackupTarget."""
_UNINSTALL_JOB: Final = "longhorn-uninstall"
_REFUSAL: Final = (
    "cannot uninstall Longhorn because deleting-confirmation-flag is set to `false`. Please set it to `true` using "
    "Longhorn UI or kubectl -n longhorn-system edit settings.longhorn.io deleting-confirmation-flag"
)

_log = logging.getLogger(__name__)


class LonghornManager:
    """Makes the StorageClass, the Settings and the default BackupTarget, and plays the Pods of the uninstall Job."""

    name = "longhorn-manager"

    def __init__(self, _: Config) -> None:
        pass

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        for view in cluster.follow(stop, BACKUP_TARGET, CONFIG_MAP, DAEMON_SET, POD, SETTING, STORAGE_CLASS):
            for daemon_set in view.all(DAEMON_SET):
                if daemon_set["metadata"]["name"] == MANAGER and daemon_set["status"].get("numberReady"):
                    namespace = daemon_set["metadata"]["namespace"]
                    _make_storage_class(cluster, view, namespace)
                    _make_settings(cluster, view, namespace)
                    _make_backup_target(cluster, view, namespace)
            _remove_storage_class(cluster, view)
            for pod in view.all(POD):
                if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == _UNINSTALL_JOB:
                    _play_uninstall(cluster, view, pod)


def _make_storage_class(cluster: Cluster, view: View, namespace: str) -> None:
    """As the manager does: a changed text deletes the class and makes it anew, for most of its fields cannot change."""
    source = view.get(CONFIG_MAP, namespace, "longhorn-storageclass")
    if not source:
        return
    text = source["data"]["storageclass.yaml"]
    wanted = yaml.safe_load(text)
    name = wanted["metadata"]["name"]
    current = view.get(STORAGE_CLASS, "", name)
    if current and current["metadata"].get("annotations", {}).get(_APPLIED) == text:
        return
    if current:
        cluster.delete(STORAGE_CLASS, current)
    wanted["metadata"].setdefault("annotations", {})[_APPLIED] = text
    if cluster.create(STORAGE_CLASS, wanted):
        _log.info("storage class %s made from %s/longhorn-storageclass", name, namespace)


def _remove_storage_class(cluster: Cluster, view: View) -> None:
    """The uninstaller deletes the class; here it goes with the manager and its ConfigMap."""
    present = {item["metadata"]["name"] for kind in (CONFIG_MAP, DAEMON_SET) for item in view.all(kind)}
    if {MANAGER, "longhorn-storageclass"} & present:
        return
    for item in view.all(STORAGE_CLASS):
        if _APPLIED in item["metadata"].get("annotations", {}) and cluster.delete(STORAGE_CLASS, item):
            _log.info("storage class %s removed with Longhorn", item["metadata"]["name"])


def _make_settings(cluster: Cluster, view: View, namespace: str) -> None:
    """A Setting takes its value from the ConfigMap when that changes; in between it is the administrator's."""
    source = view.get(CONFIG_MAP, namespace, "longhorn-default-setting")
    if not source:
        return
    # No typing: every Setting's value is text.
    declared: Mapping[str, str] = yaml.load(source["data"]["default-setting.yaml"], yaml.BaseLoader) or {}  # noqa: S506
    version = source["metadata"]["resourceVersion"]
    for name, value in (_DEFAULTS | dict(declared)).items():
        current = view.get(SETTING, namespace, name)
        item: Object = {
            "metadata": {"name": name, "namespace": namespace, "annotations": {_SETTINGS_VERSION: version}},
            "value": value,
        }
        try:
            if current is None:
                cluster.create(SETTING, item)
            elif name in declared and current["metadata"].get("annotations", {}).get(_SETTINGS_VERSION) != version:
                cluster.patch(SETTING, current, {"value": value, "metadata": item["metadata"]})
        except NoSuchKind:
            return  # the chart's CustomResourceDefinitions are not served yet


def _make_backup_target(cluster: Cluster, view: View, namespace: str) -> None:
    """The default one has what the ConfigMap says; of a key that is not there, it keeps what it has."""
    source = view.get(CONFIG_MAP, namespace, "longhorn-default-resource")
    if not source:
        return
    declared: Mapping[str, str] = yaml.load(source["data"]["default-resource.yaml"], yaml.BaseLoader) or {}  # noqa: S506
    wanted = {field: declared[key] for key, field in _BACKUP_TARGET_KEYS.items() if key in declared}
    if seconds := declared.get("backupstore-poll-interval"):
        wanted["pollInterval"] = f"{seconds}s"
    current = view.get(BACKUP_TARGET, namespace, "default")
    try:
        if current is None:
            spec = {"backupTargetURL": "", "credentialSecret": "", "pollInterval": "300s", **wanted}
            cluster.create(BACKUP_TARGET, {"metadata": {"name": "default", "namespace": namespace}, "spec": spec})
        elif wanted.items() - current["spec"].items():
            cluster.patch(BACKUP_TARGET, current, {"spec": wanted})
    except NoSuchKind:
        return  # as above


def _play_uninstall(cluster: Cluster, view: View, pod: Object) -> None:
    """What `longhorn-manager uninstall` comes to; kwok leaves the end of these Pods to us."""
    if pod["status"].get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
        return
    flag = view.get(SETTING, pod["metadata"]["namespace"], _CONFIRMATION)
    confirmed = flag is not None and flag["value"] == "true"
    ended = {"exitCode": 0, "reason": "Completed"} if confirmed else {"exitCode": 1, "reason": "Error"}
    statuses = [
        {
            **status,
            "ready": False,
            "started": False,
            "state": {"terminated": ended if confirmed else {**ended, "message": _REFUSAL}},
        }
        for status in pod["status"].get("containerStatuses", [])
    ]
    phase = "Succeeded" if confirmed else "Failed"
    cluster.patch_status(POD, pod, {"phase": phase, "containerStatuses": statuses})
    if not confirmed:
        _log.warning("%s", _REFUSAL)
        cluster.event(POD, pod, "UninstallRefused", _REFUSAL, warning=True)
