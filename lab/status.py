"""`make status`: what the program talks to on this lab, official or a stand-in, which version, and what runs."""

from __future__ import annotations

import os
from importlib.metadata import version

from lab import chart_repository, console, official
from lab.controllers import dataplane, webhooks
from lab.layout import Lab
from lab.plugins import PLUGINS
from lab.services import catalog
from lab.toolchain import ResolvedTool, Toolchain

OFFICIAL, STAND_IN = "official", "stand-in"


def print_status(lab: Lab) -> None:
    """Four tables: the parts, the processes, the webhooks that are set aside, and what nginx cannot do."""
    console.table("what the program talks to", ("part", "in this lab it is", "kind", "version"), _parts())
    console.table("processes", ("site", "service", "state", "log"), _processes(lab))
    console.table("webhooks that played pods would serve: failurePolicy Ignore", ("site", "webhook"), _webhooks(lab))
    console.table("what nginx does not as the ingress controller would", ("site", "note"), _notes(lab))


def _parts() -> list[tuple[str, str, str, str]]:
    tools = Toolchain().ensure()
    rows = [(tool.name, _described(tool), OFFICIAL, tool.version) for tool in tools.values()]
    rows += [
        (
            f"provider {name}",
            "the official plugin" if official.installed(name) else "the lab's own plugin, attached to the engine",
            OFFICIAL if official.installed(name) else STAND_IN,
            official.plugin_version(name),
        )
        for name in PLUGINS
    ]
    kubespray = "the lab's playbook with Kubespray's inventory and variables, real Ansible and SSH"
    return [
        *rows,
        ("Proxmox VE API", "fakepve, a stateful model of the API", STAND_IN, version("fakepve")),
        ("virtual machines", "SSH servers with a file system of their own (bubblewrap)", STAND_IN, version("asyncssh")),
        ("Debian installer", "reads the real preseed over HTTP, installs what it says into a folder", STAND_IN, ""),
        ("Kubespray", kubespray, STAND_IN, ""),
        ("kubelet, containers", "static pods as processes of the guest; kwok plays nodes and pods", STAND_IN, ""),
        ("MetalLB, Longhorn", "controllers that give addresses, and make the class and its volumes", STAND_IN, ""),
        ("NGINX data plane", "Debian's nginx, configured from the Ingresses and TLS secrets", OFFICIAL, ""),
        ("PowerDNS", "Debian's pdns_server, started from the program's manifests", OFFICIAL, ""),
        ("public DNS", "a resolver that follows the sites' delegations", STAND_IN, ""),
        ("Let's Encrypt", "Pebble, validating by real queries", STAND_IN, ""),
        *[
            (
                f"chart {chart.name}",
                "as given" if chart.official else "the lab's, with a closed schema",
                kind,
                chart.version,
            )
            for chart in chart_repository.charts(chart_repository.given_archives(os.environ))
            for kind in [OFFICIAL if chart.official else STAND_IN]
        ],
    ]


def _described(tool: ResolvedTool) -> str:
    return (
        f"the real one ({tool.source}){', for which the lab translates the template' if tool.name == 'packer' else ''}"
    )


def _processes(lab: Lab) -> list[tuple[str, str, str, str]]:
    rows = []
    for service in catalog.all_services(lab):
        process = service.process()
        state = f"runs, pid {process.pid}" if process else "died" if service.died() else "stopped"
        rows.append((catalog.owner(service), service.name, state, str(service.log)))
    return rows


def _webhooks(lab: Lab) -> list[tuple[str, str]]:
    return [(site.name, name) for site in lab.sites() for name in webhooks.ignored(catalog.controllers_state(site))]


def _notes(lab: Lab) -> list[tuple[str, str]]:
    return [(site.name, note) for site in lab.sites() for note in dataplane.notes(catalog.controllers_state(site))]
