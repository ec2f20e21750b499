"""Which changes replace an object instead of updating it.

The API server refuses to change these fields, or (ConfigMaps and Secrets) pulumi-kubernetes
replaces the object so that whatever mounts it rolls over to the new content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lab.plugins.base import Diff, compare
from lab.plugins.kubernetes.api import Object
from lab.plugins.kubernetes.objects import AUTONAMED, annotation

_IDENTITY: Final = frozenset({"metadata.name", "metadata.namespace"})

_VOLUME_SOURCES: Final = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
    "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_POD_FIELDS: Final = (
    "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork "
    "hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName "
    "readinessGates restartPolicy runtimeClassName schedulerName securityContext serviceAccount serviceAccountName "
    "shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"
)
_CONTAINER_FIELDS: Final = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)


def _under(prefix: str, names: str) -> frozenset[str]:
    return frozenset(f"{prefix}.{name}" for name in names.split())


_FIXED: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("apps/v1", "DaemonSet"): _under("spec", "selector"),
    ("apps/v1", "Deployment"): _under("spec", "selector"),
    ("apps/v1", "StatefulSet"): _under(
        "spec", "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
    ),
    ("batch/v1", "Job"): _under("spec", "completions parallelism selector template"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): frozenset({"roleRef"}),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): frozenset({"roleRef"}),
    ("storage.k8s.io/v1", "StorageClass"): frozenset({"parameters", "provisioner"}),
    ("v1", "PersistentVolume"): _under("spec", _VOLUME_SOURCES),
    ("v1", "PersistentVolumeClaim"): _under("spec", "accessModes selector storageClassName volumeName"),
    ("v1", "Pod"): _under("spec", _POD_FIELDS)
    | _under("spec.containers", _CONTAINER_FIELDS)
    | _under("spec.initContainers", _CONTAINER_FIELDS),
    ("v1", "ResourceQuota"): _under("spec", "scopes"),
    ("v1", "Service"): _under("spec", "clusterIP"),
}


def replacing_fields(item: Object, *, config_map_mutable: bool, secret_mutable: bool) -> frozenset[str]:
    """Property paths (without list indexes) whose change replaces this object."""
    kind = (str(item.get("apiVersion")), str(item.get("kind")))
    immutable = bool(item.get("immutable"))
    if kind == ("v1", "Secret"):
        content = {"type", "data", "stringData"} if immutable or not secret_mutable else {"type"}
    elif kind == ("v1", "ConfigMap"):
        content = {"data", "binaryData"} if immutable or not config_map_mutable else set()
    else:
        content = set(_FIXED.get(kind, ()))
    return _IDENTITY | content


def difference(old: Object, new: Object, fields: frozenset[str]) -> Diff:
    """What changes from one set of inputs to the other.

    An object whose name is the user's own is deleted before its replacement is created: both cannot
    exist at once. A generated name is generated anew.
    """
    changes = compare(_in_namespace(old), _in_namespace(new), fields)
    replaced = any(change.replace for change in changes.values())
    same_place = all(_metadata(old).get(name) == _metadata(new).get(name) for name in ("name", "namespace"))
    return Diff(changes, replaced and same_place and annotation(new, AUTONAMED) != "true")


def _metadata(item: Object) -> Mapping[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _in_namespace(item: Object) -> Object:
    # No namespace means "default" for a namespaced kind; the others have none on either side.
    if not isinstance(item.get("metadata"), dict):
        return item
    return {**item, "metadata": {**item["metadata"], "namespace": item["metadata"].get("namespace") or "default"}}
