"""The lab's services: what each is started with, and how it is known to answer."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from lab.authority import Authority
from lab.configuration import stack_values
from lab.files import write_private
from lab.layout import PROXMOX_PORT, SERVICE_PORTS, SSH_PORT, WEBHOOK_PORT, Lab, Site
from lab.plugins import PLUGINS
from lab.services import external, network
from lab.services.supervisor import Service, ServiceError

MIRROR_PORT = 8443
MEDIUM = "debian-12-lab.iso"
MEDIUM_CONTENT = "The lab's installer medium. Its installer is lab/proxmox/installer.py: it reads the real preseed.\n"
DISK_IMAGE = "debian-12-lab.qcow2"
DISK_IMAGE_CONTENT = json.dumps(
    {
        "packages": [
            *("openssh-server", "sudo", "python3", "qemu-guest-agent", "cloud-init"),
            *("cloud-guest-utils", "open-iscsi", "nfs-common", "systemd-timesyncd"),
        ],
        "sshPort": SSH_PORT,
    }
)
"""What a platform team would make of Debian's cloud image; lab/proxmox/disk_image.py reads it."""
TOKEN_ID = "oss-nextgen@pve!pulumi"


def plugins(lab: Lab, names: list[str], env: Mapping[str, str]) -> list[Service]:
    """The provider plugins for which no official one is installed: one service, or none."""
    ports = plugin_ports(lab)
    service = Service(
        name="plugins",
        argv=[sys.executable, "-m", "lab.plugins", "--ports-file", str(ports), "--only", ",".join(names)],
        home=lab.services,
        ready=lambda: _all_listen(ports),
        env=env,
    )
    if not names:
        service.stop()
        ports.unlink(missing_ok=True)
        return []
    return [service]


def _all_listen(ports: Path) -> bool:
    try:
        return all(map(network.listens, json.loads(ports.read_text()).values()))
    except FileNotFoundError:  # Not written yet; a service that starts removes those of an earlier one.
        return False


def plugin_ports(lab: Lab) -> Path:
    """JSON file: plugin -> port on 127.0.0.1."""
    return lab.services / "plugin-ports.json"


def mirror(lab: Lab, env: Mapping[str, str]) -> Service:
    """What stands in for the internet: the installer medium and a disk image, over HTTPS."""
    folder = lab.home / "mirror"
    write_private(folder / MEDIUM, MEDIUM_CONTENT)
    write_private(folder / DISK_IMAGE, DISK_IMAGE_CONTENT)
    chain, key = Authority(lab.home).issue(lab.services, lab.mirror)
    return Service(
        name="mirror",
        argv=[
            *(sys.executable, "-m", "lab.services.mirror", str(folder), str(lab.mirror)),
            *(str(MIRROR_PORT), str(chain), str(key)),
        ],
        home=lab.services,
        ready=lambda: network.listens(MIRROR_PORT, str(lab.mirror)),
        env=env,
    )


def claim_block(lab: Lab, mirror: Service) -> None:
    """Refuse to bring services up among those of another lab, which has the same addresses.

    Raises:
        ServiceError: something answers in the place of `mirror`, which does not run.
    """
    if mirror.process() is None and mirror.ready():
        raise ServiceError(
            f"{lab.mirror}:{MIRROR_PORT} is taken by a process that this lab did not start: another clone's lab has the"
            f" addresses 127.{lab.block}.0.0/16, too. End that one (make down, there), or give this one others:"
            " OSS_NEXTGEN_LAB_BLOCK=<1 to 254> before each command."
        )


def installer_medium(lab: Lab) -> dict[str, str]:
    """URL and SHA-256 of the lab's installer medium, as settings write them."""
    return _mirrored(lab, MEDIUM, MEDIUM_CONTENT)


def cloud_image(lab: Lab) -> dict[str, str]:
    """The same of the lab's disk image."""
    return _mirrored(lab, DISK_IMAGE, DISK_IMAGE_CONTENT)


def _mirrored(lab: Lab, name: str, content: str) -> dict[str, str]:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"url": f"https://{lab.mirror}:{MIRROR_PORT}/{name}", "sha256": digest}


def chart_repository_url(lab: Lab) -> str:
    """Of the charts that the mirror serves."""
    return f"https://{lab.mirror}:{MIRROR_PORT}/charts"


def proxmox(site: Site, env: Mapping[str, str]) -> Service:
    """The site's Proxmox VE API with its guests."""
    return Service(
        name="proxmox",
        argv=[sys.executable, "-m", "lab.proxmox", str(site.proxmox_config)],
        home=site.services,
        ready=lambda: _answers(f"{site.endpoint}/api2/json/version", Authority(site.lab.home).bundle),
        env=env,
    )


def controllers(site: Site, env: Mapping[str, str]) -> Service:
    """What acts in the cluster for programs that kwok only plays."""
    return Service(
        name="controllers",
        argv=[sys.executable, "-m", "lab.controllers", str(site.controllers_config)],
        home=site.services,
        # It has no address of its own, and waits for the cluster.
        ready=lambda: True,
        env=env,
    )


def controllers_state(site: Site) -> Path:
    """Private folder of the site's controllers."""
    return site.home / "controllers"


def write_controllers_config(site: Site, tools: list[Path]) -> None:
    """Write what the site's controllers are told."""
    config = {
        "site": site.name,
        "kubeconfig": str(site.kubeconfig),
        "state": str(controllers_state(site)),
        "loadBalancers": site.range(site.load_balancers),
        "dns": {
            "address": str(site.dns_address),
            "port": SERVICE_PORTS["dnsPort"],
            "apiPort": SERVICE_PORTS["dnsApiPort"],
        },
        "ingress": {
            "address": str(site.ingress_address),
            "httpPort": SERVICE_PORTS["httpPort"],
            "httpsPort": SERVICE_PORTS["httpsPort"],
        },
        "webhook": {"address": str(site.webhook), "port": WEBHOOK_PORT},
        "tools": [str(path) for path in tools],
        "caBundle": str(Authority(site.lab.home).bundle),
        "routes": external.routes(site),
    }
    write_private(site.controllers_config, json.dumps(config, indent=2))


def write_proxmox_config(site: Site, tools: list[Path]) -> bool:
    """Write what the Proxmox service is told, keeping passwords made before. Whether it differs from before."""
    former = json.loads(site.proxmox_config.read_text()) if site.proxmox_config.exists() else {}
    stack = stack_values(site)
    chain, key = Authority(site.lab.home).issue(site.home, site.proxmox, external.proxmox_names(site))
    config = {
        "address": str(site.proxmox),
        "port": PROXMOX_PORT,
        "certificate": str(chain),
        "key": str(key),
        "nodes": stack["proxmox"]["nodes"],
        "isoStorage": stack["proxmox"].get("isoStorage", "local"),
        "diskStorages": _distinct(stack["proxmox"].get("diskStorage", "local-lvm"), stack["pools"], "storage"),
        "user": "root@pam",
        "password": former.get("password") or secrets.token_urlsafe(24),
        "token": former.get("token") or {"id": TOKEN_ID, "secret": str(uuid.uuid4())},
        "bridges": _distinct(stack["network"].get("bridge", "vmbr0"), stack["pools"], "bridge"),
        "network": str(site.machines),
        "dhcp": site.range(site.dhcp),
        "sshPort": SSH_PORT,
        "tools": [str(path) for path in tools],
        "state": str(site.home / "proxmox"),
    }
    write_private(site.proxmox_config, json.dumps(config, indent=2))
    return config != former


def _distinct(default: str, pools: list[dict[str, Any]], key: str) -> list[str]:
    """The default, and what else the pools name."""
    return list(dict.fromkeys([default, *(pool[key] for pool in pools if key in pool)]))


def _answers(url: str, bundle: Path) -> bool:
    """True if a server answers, whatever it says: it is up, and its certificate is good."""
    try:
        requests.get(url, timeout=2, verify=str(bundle))
    except requests.RequestException:
        return False
    return True


def api_token(site: Site) -> str:
    """The API token that the site's Proxmox knows, as the product's setting writes it."""
    token = json.loads(site.proxmox_config.read_text())["token"]
    return f"{token['id']}={token['secret']}"


def site_services(site: Site) -> list[Service]:
    """Those of one site, to be ended or looked at."""
    return [controllers(site, {}), *external.recorded(site), proxmox(site, {})]


def shared_services(lab: Lab) -> list[Service]:
    """Those of all sites, likewise."""
    return [network.pebble(lab, {}), network.resolver(lab, {}), mirror(lab, {}), *plugins(lab, list(PLUGINS), {})]


def all_services(lab: Lab) -> list[Service]:
    """Every service that this lab may run, to be ended or shown; those of sites first."""
    return [*(service for site in lab.sites() for service in site_services(site)), *shared_services(lab)]


def owner(service: Service) -> str:
    """The site that a service belongs to, for a person."""
    folder = service.home.parent
    return folder.name if folder.parent.name == "sites" else "all sites"
