"""What the engine knows of a stack's order: what it makes before what, and removes the other way round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.lab.conftest import LabUnderTest

ORDER = (
    ("File image-iso", "Preflight paris"),
    ("Template image-paris", "File image-iso"),
    ("VmLegacy masters-1", "Template image-paris"),
    ("KubesprayCluster kubernetes-kubespray", "VmLegacy workers-3"),
    ("Namespace longhorn-system", "KubesprayCluster kubernetes-kubespray"),
    ("Release longhorn", "Namespace longhorn-system"),
    ("RecurringJob longhorn-snapshot", "Release longhorn"),
    ("PersistentVolumeClaim powerdns-data", "Release longhorn"),
    ("IPAddressPool metallb-platform", "Release metallb"),
    ("Service powerdns", "IPAddressPool metallb-platform"),
    ("StatefulSet powerdns", "PersistentVolumeClaim powerdns-data"),
    ("Zone ef-fr.dev", "StatefulSet powerdns"),
    ("AcmeCertificate ef-fr.dev-certificate", "Zone ef-fr.dev"),
    ("Release nginx-ingress", "AcmeCertificate ef-fr.dev-certificate"),
    ("Release nginx-ingress", "IPAddressPool metallb-platform"),
    ("Release authentik", "StatefulSet authentik-postgresql"),
    ("Release authentik", "Release nginx-ingress"),
    ("Release homepage", "Release nginx-ingress"),
    ("Ingress proxmox", "Release nginx-ingress"),
)
"""What waits for what, and is removed before it: the chain of a production site."""


def name_of(urn: str) -> str:
    """`Release longhorn`: the last word of the type, and the name."""
    _, _, types, name = urn.split("::", 3)
    return f"{types.rpartition(':')[2]} {name}"


def out_of_order(lab: LabUnderTest, site: str) -> list[tuple[str, str]]:
    """Those of `ORDER` that nothing carries, or that are not there at all."""
    state = json.loads(lab.shell(site, "pulumi stack export").stdout)
    before = {resource["urn"]: _direct(resource) for resource in state["deployment"]["resources"]}
    waited = {name_of(urn): {name_of(each) for each in _closure(urn, before)} for urn in before}
    return [
        (later, earlier)
        for later, earlier in ORDER
        if not any(
            name.startswith(later) and any(each.startswith(earlier) for each in names) for name, names in waited.items()
        )
    ]


def _direct(resource: Mapping[str, Any]) -> set[str]:
    """What it names, what it is part of, and the provider that makes it."""
    provider = resource.get("provider", "").rpartition("::")[0]
    return {urn for urn in (*resource.get("dependencies", []), resource.get("parent"), provider) if urn}


def _closure(urn: str, before: Mapping[str, set[str]]) -> set[str]:
    found, ahead = set[str](), [urn]
    while ahead:
        new = before.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found
