"""The lab's copy of a stack's configuration: endpoints, networks, ports and secrets replaced.

Everything else stays what the committed stack file says. The program reads the copy through
`PULUMI_OPTION_CONFIG_FILE`; the committed file is never written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import yaml

from lab.files import write_private
from lab.layout import REPOSITORY, SERVICE_PORTS, SITES, SSH_PORT, Lab, Site
from settings.engine_yaml import load

NAMESPACE = "oss-nextgen"


@dataclass(frozen=True)
class Sources:
    """What stands in for the internet, as settings write it."""

    iso: Mapping[str, str]
    """`url` and `sha256` of the installer medium."""
    cloud_image: Mapping[str, str]
    """The same of the disk image."""
    kubespray: Mapping[str, str]
    """`repository` and `commit` of the playbooks."""
    charts: Mapping[str, Mapping[str, str]]
    """Key of `charts` -> `repository` and `version`."""
    acme: Mapping[str, Any]
    """`directory` and `resolvers`."""
    authorities: Mapping[str, str]
    """Name of an external service -> PEM of who signs the certificate of what plays it."""


def stack_values(site: Site) -> dict[str, Any]:
    """The committed stack file's values: key without namespace -> value."""
    document = load((REPOSITORY / f"Pulumi.{site.name}.yaml").read_text())
    return {key.removeprefix(f"{NAMESPACE}:"): value for key, value in document["config"].items()}


def lab_values(site: Site, sources: Sources) -> dict[str, Any]:
    """The same with what the lab replaces."""
    values = stack_values(site)
    changes: dict[str, Any] = {
        "proxmox": {"endpoint": site.endpoint},
        "network": {
            "cidr": str(site.machines),
            "dhcp": site.range(site.dhcp),
            "loadBalancers": site.range(site.load_balancers),
        },
        "access": {"sshPort": SSH_PORT},
        "image": _image(values.get("image", {}).get("source", "packer"), site, sources),
        "protection": False,
    }
    if "kubernetes" in values:
        changes["kubernetes"] = {
            "apiServer": str(site.api_server),
            "kubeconfigPath": site.kubeconfig_path,
            "kubespray": dict(sources.kubespray),
        }
    if "services" in values:
        changes["services"] = {
            "dnsAddress": str(site.dns_address),
            "ingressAddress": str(site.ingress_address),
            "ldapAddress": str(site.ldap_address),
            **_name_servers(values["services"], site),
            **SERVICE_PORTS,
            # Whoever connects to a loopback address comes from one.
            "operators": ["127.0.0.0/8"],
        }
        changes["acme"] = dict(sources.acme)
        changes["charts"] = {name: dict(chart) for name, chart in sources.charts.items()}
        changes["externalServices"] = [_verified(service, sources) for service in values.get("externalServices", [])]
    if "backupServer" in values:
        changes["backupServer"] = {
            "dnsPort": SERVICE_PORTS["dnsPort"],
            "sites": {name: _backed_up(site.lab.site(name)) for name in values["backupServer"]["sites"]},
        }
    if missing_backup(site):
        # A reference to a stack that is not up would stop the run, and `make up` brings one site up alone.
        changes["backup"] = {"stack": None}
    return _merge(values, changes)


def _verified(service: Mapping[str, Any], sources: Sources) -> dict[str, Any]:
    """An external service whose certificate can be checked: it is one of the lab's."""
    if service.get("scheme") == "http":
        return dict(service)
    return {**service, "verify": True, "caCertificate": sources.authorities[service["name"]]}


def missing_backup(site: Site) -> str | None:
    """The stack of the site's backup server, if that is not up in this lab."""
    stack: str | None = stack_values(site).get("backup", {}).get("stack")
    return None if stack is None or site.lab.holds(stack) else stack


def _backed_up(site: Site) -> dict[str, Any]:
    """What the backup server is told of a site: its machines and its Proxmox VE, and where its name server is.

    Which leases the control plane gets nobody knows before, and no played pod mounts what it might.
    """
    return {
        "networks": [str(site.machines)],
        "proxmoxNodes": [str(site.proxmox)],
        "controlPlane": [],
        "dnsAddress": str(site.dns_address),
        "dnsPort": SERVICE_PORTS["dnsPort"],
    }


def _name_servers(services: Mapping[str, Any], own: Site) -> dict[str, Any]:
    """The addresses of other sites' name servers: each the same host of that site's network here.

    Nothing is forwarded here: all reach every site's server at its own address, which is the public one as well.
    """
    networks = {IPv4Network(stack_values(site)["network"]["cidr"]): site.machines for site in map(own.lab.site, SITES)}

    def here(address: str) -> str:
        for network, machines in networks.items():
            if (real := IPv4Address(address)) in network:
                return str(machines[int(real) - int(network.network_address)])
        raise ValueError(f"{address} is in no site's network")

    found: dict[str, Any] = {}
    if "dnsParent" in services:
        found["dnsParent"] = here(services["dnsParent"])
    if "dnsDelegations" in services:
        found["dnsDelegations"] = {site: here(address) for site, address in services["dnsDelegations"].items()}
    if "dnsPublicAddress" in services:
        found["dnsPublicAddress"] = str(own.dns_address)
    if "dnsGlue" in services:
        found["dnsGlue"] = {site: found["dnsDelegations"][site] for site in services["dnsGlue"]}
    if "dnsSecondaries" in services:
        found["dnsSecondaries"] = [here(address) for address in services["dnsSecondaries"]]
    return found


def _image(source: str, site: Site, sources: Sources) -> dict[str, Any]:
    """What the lab replaces of the image: the program refuses keys that its source does not read."""
    of_sources: dict[str, dict[str, Any]] = {
        "packer": {"httpAddress": str(site.runner), "iso": dict(sources.iso)},
        "cloud-image": {"cloudImage": dict(sources.cloud_image)},
    }
    return of_sources.get(source, {})


def link_kubeconfigs(lab: Lab) -> None:
    """Let the program, which writes kubeconfigs below `.kube` of its clone alone, write them into the lab's folder."""
    lab.kubeconfigs.mkdir(mode=0o700, parents=True, exist_ok=True)
    lab.kubeconfig_link.parent.mkdir(mode=0o700, exist_ok=True)
    # Sites come up side by side, each in a process of its own.
    draft = lab.kubeconfig_link.with_name(f".{lab.kubeconfig_link.name}.{os.getpid()}")
    draft.symlink_to(lab.kubeconfigs)
    draft.replace(lab.kubeconfig_link)


def write_stack_file(site: Site, values: Mapping[str, Any], encryption_salt: str) -> None:
    """Write the copy, keeping the secrets that a former copy holds."""
    former = yaml.safe_load(site.stack_file.read_text()) if site.stack_file.exists() else {}
    secrets = {
        key: value
        for key, value in former.get("config", {}).items()
        if isinstance(value, dict) and "secure" in value and former.get("encryptionsalt") == encryption_salt
    }
    config = {f"{NAMESPACE}:{key}": value for key, value in values.items()} | secrets
    document = {"encryptionsalt": encryption_salt, "config": config}
    write_private(site.stack_file, yaml.safe_dump(document, sort_keys=False))


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        mapping = isinstance(value, Mapping) and isinstance(merged.get(key, {}), Mapping)
        merged[key] = _merge(merged.get(key, {}), value) if mapping else value
    return merged
