"""What the engine calls by type and URN, in words that a person knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What the engine writes for a value that only the run will know, one for each type of value."""


@dataclass(frozen=True)
class Noun:
    """A kind of thing."""

    word: str
    loss: str = ""
    """What is lost with a thing of this kind when it is deleted or replaced; empty if nothing is."""
    counted: str = ""
    """Key of `settings.ChangeControl` that limits how many of them one change may take."""


VM: Final = "proxmoxve:index/vmLegacy:VmLegacy"
ZONE: Final = "pulumi-python:dynamic/powerdns:Zone"
RECORD_SETS: Final = "pulumi-python:dynamic/powerdns:RecordSets"
CERTIFICATE: Final = "pulumi-python:dynamic/certificates:AcmeCertificate"
KUBECONFIG_FILE: Final = "pulumi-python:dynamic/kubernetes:KubeconfigFile"
CLUSTER: Final = "pulumi-python:dynamic/kubernetes:KubesprayCluster"
INTERNAL_CERTIFICATE: Final = "tls:index/locallySignedCert:LocallySignedCert"
BACKUP_SERVER: Final = "pulumi-python:dynamic/backup:BackupServer"
TEMPLATE: Final = "pulumi-python:dynamic/images:Template"
PREFLIGHT: Final = "pulumi-python:dynamic/preflight:Preflight"
FILE: Final = "proxmoxve:download/file:File"
NFS: Final = "proxmoxve:storage/nfs:Nfs"
PBS: Final = "proxmoxve:storage/pbs:Pbs"
JOB: Final = "proxmoxve:backup/job:Job"
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
OUT_OF_REACH: Final = "Proxmox VE cannot reach the backups on it any more"

NOUNS: Final[Mapping[str, Noun]] = {
    VM: Noun("VM", "its disks are lost", "machines"),
    ZONE: Noun("zone", "its records and DNSSEC keys are lost", "zones"),
    RECORD_SETS: Noun("record sets"),
    CERTIFICATE: Noun("certificate"),
    CLUSTER: Noun("cluster", "everything that runs on it is lost"),
    RELEASE: Noun("release"),
    "pulumi-python:dynamic/powerdns:TsigKey": Noun("transfer key", "secondaries cannot fetch zones with the old one"),
    TEMPLATE: Noun("template", "nothing can be cloned from it any more"),
    "pulumi-python:dynamic/machines:GuestAddress": Noun("address"),
    PREFLIGHT: Noun("preflight"),
    "pulumi-python:dynamic/kubernetes:AttemptedMembers": Noun("list of machines that join"),
    KUBECONFIG_FILE: Noun("kubeconfig file"),
    "pulumi-python:dynamic/kubernetes:KnownKubeconfig": Noun("kubeconfig"),
    "pulumi-python:dynamic/certificates:AcmeAccount": Noun("ACME account", "its key is lost"),
    BACKUP_SERVER: Noun("backup server"),
    FILE: Noun("file"),
    NFS: Noun("storage", OUT_OF_REACH),
    PBS: Noun("storage", OUT_OF_REACH),
    JOB: Noun("backup job", "its machines are not backed up any more"),
    "command:remote:Command": Noun("check over SSH"),
    "random:index/randomPassword:RandomPassword": Noun("password", "what still has the old one is locked out"),
    "tls:index/privateKey:PrivateKey": Noun("private key", "what trusts the old one locks the platform out"),
    "tls:index/certRequest:CertRequest": Noun("certificate request"),
    "tls:index/selfSignedCert:SelfSignedCert": Noun("authority's certificate"),
    INTERNAL_CERTIFICATE: Noun("internal certificate"),
    "kubernetes:core/v1:PersistentVolumeClaim": Noun("PersistentVolumeClaim", "its data is lost", "volumes"),
    "kubernetes:core/v1:PersistentVolume": Noun("PersistentVolume", "its data may be lost", "volumes"),
    "kubernetes:apps/v1:StatefulSet": Noun(
        "StatefulSet", "its pods stop, and volumes that it made may be lost", "volumes"
    ),
    NAMESPACE: Noun("Namespace", "everything in it is lost"),
}
LONGHORN: Final = Noun("release", "every volume of the site is lost", "volumes")
COPY: Final = Noun("copy of the zone")
"""It is fetched from the zone's own server, again if need be."""


def noun(type_: str, inputs: Mapping[str, Any]) -> Noun:
    """The kind of a thing, by its type token; a kind that is not listed is called by the token's last part."""
    if type_ == RELEASE and inputs.get("chart") == "longhorn":
        return LONGHORN
    if type_ == ZONE and inputs.get("kind") == "Secondary":
        return COPY
    if type_.startswith("pulumi:providers:"):
        return Noun("provider")
    return NOUNS.get(type_) or Noun(type_.rpartition(":")[2])


def name(type_: str, logical: str, inputs: Mapping[str, Any]) -> str:
    """What a person calls the thing.

    Args:
        type_: Type token.
        logical: The last part of its URN.
        inputs: Its inputs, as the engine prints them.
    """
    metadata = inputs.get("metadata")
    if isinstance(metadata, Mapping) and _known(metadata.get("name")):
        namespace = metadata.get("namespace")
        return f"{namespace}/{metadata['name']}" if _known(namespace) else str(metadata["name"])
    if type_ == CERTIFICATE and isinstance(inputs.get("names"), list):
        return ", ".join(map(str, inputs["names"]))
    for key in ("zone", "name", "vm", "machine", "site", "resourceId"):
        if _known(inputs.get(key)):
            return str(inputs[key]).rstrip(".")
    return re.sub(r"^kubernetes-ready-", "", logical)


def _known(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value not in UNKNOWN
