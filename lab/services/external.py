"""What plays a site's external services.

The one at the port of Proxmox VE is the lab's Proxmox. Any other is a small web server on an address of its own, with
a page that says so; over HTTPS its certificate is signed by an authority of its own, which nothing but the
setting `caCertificate` makes known to anybody.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from lab.authority import Authority
from lab.configuration import stack_values
from lab.files import write_private
from lab.layout import PROXMOX_PORT, Site
from lab.services import network
from lab.services.supervisor import Service

PREFIX = "external-"
PAGE = "<!doctype html><title>{name}</title><h1>{name}</h1><p>The lab plays this external service of {site}.</p>\n"


def routes(site: Site) -> dict[str, str]:
    """Address of an external service, as the stack file has it -> address of the lab that plays it."""
    return {each["address"]: str(_place(site, each["address"])) for each in _external(site)}


def proxmox_names(site: Site) -> list[str]:
    """Public names of Proxmox: the ingress controller knows it by these."""
    return [each["host"] for each in _external(site) if _is_proxmox(each)]


def authorities(site: Site) -> dict[str, str]:
    """Name of each external service -> PEM of who signs its certificate."""
    return {
        each["name"]: Authority(site.lab.home if _is_proxmox(each) else _home(site, each)).pem
        for each in _external(site)
    }


def servers(site: Site, env: Mapping[str, str]) -> list[Service]:
    """The web servers; one that the stack file names no more is ended."""
    wanted = [_server(site, each, env) for each in _external(site) if not _is_proxmox(each)]
    for former in recorded(site):
        if former.name not in {service.name for service in wanted}:
            former.stop()
    return wanted


def recorded(site: Site) -> list[Service]:
    """Those that have been started, to be ended or shown."""
    names = sorted(path.stem for path in site.services.glob(f"{PREFIX}*.json"))
    return [Service(name=name, argv=(), home=site.services, ready=lambda: True) for name in names]


def _server(site: Site, service: Mapping[str, Any], env: Mapping[str, str]) -> Service:
    home, address, port = _home(site, service), _place(site, service["address"]), int(service["port"])
    write_private(home / "pages" / "index.html", PAGE.format(name=service["name"], site=site.name))
    https = service.get("scheme", "https") == "https"
    certificate = Authority(home).issue(home, address, [service["host"]]) if https else ()
    arguments = (home / "pages", address, port, *certificate)
    return Service(
        name=f"{PREFIX}{service['name']}",
        argv=[sys.executable, "-m", "lab.services.mirror", *map(str, arguments)],
        home=site.services,
        ready=lambda: network.listens(port, str(address)),
        env=env,
    )


def _external(site: Site) -> list[dict[str, Any]]:
    external: list[dict[str, Any]] = stack_values(site).get("externalServices", [])
    return external


def _is_proxmox(service: Mapping[str, Any]) -> bool:
    return bool(service["port"] == PROXMOX_PORT)


def _place(site: Site, address: str) -> IPv4Address:
    """Where the lab plays what the stack file has at an address."""
    services = _external(site)
    if any(_is_proxmox(each) for each in services if each["address"] == address):
        return site.proxmox
    return site.external([each["address"] for each in services].index(address))


def _home(site: Site, service: Mapping[str, Any]) -> Path:
    return site.home / "external" / str(service["name"])
