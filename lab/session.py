"""Bring up all that the engine needs for a site: tools, services, configuration, stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic.alias_generators import to_camel

from lab import chart_repository, configuration, console, environment, official, playbooks
from lab.engine import Engine, EngineError, was_cut_short
from lab.layout import REPOSITORY, SERVICE_PORTS, Lab, Site
from lab.services import catalog, external, network
from lab.services.supervisor import Service
from lab.toolchain import Toolchain
from lab.toolchain.lock import lock
from lab.toolchain.tools import FORMER_KUBERNETES, FORMER_TOOLS
from settings import Charts

PACKER = REPOSITORY / "lab" / "packer" / "bin"
"""What stands before Debian's Packer on the PATH."""


@dataclass(frozen=True)
class Session:
    """A site of the lab, ready for the engine."""

    site: Site
    engine: Engine
    env: dict[str, str]
    services: list[Service]


def open_session(lab: Lab, name: str) -> Session:
    """Do whatever set-up is missing for a site."""
    site = lab.site(name)
    lab.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    site.services.mkdir(parents=True, exist_ok=True, mode=0o700)
    with console.stage("toolchain"):
        folders = [PACKER, Toolchain().bin_dir(lab.home)]
        if configuration.stack_values(site).get("kubernetes", {}).get("version") == FORMER_KUBERNETES:
            Toolchain(FORMER_TOOLS).bin_dir(_former(lab))
    # Two sites that come up side by side share an authority, a passphrase and services: one at a time.
    with lock(lab.home / "lock", console.note):
        base = environment.base(lab, folders)
        with console.stage("lab services"):
            cut_short = was_cut_short(site)
            services = _start(site, base, folders, fresh_plugins=cut_short)
        env = environment.of_site(site, base)
        engine = Engine(site, env, services)
        with console.stage("stack"):
            _configure(site, engine)
    if cut_short:
        with console.stage("recovery", streams=True):
            recover(site, env)
    return Session(site, engine, env, services)


def _start(site: Site, env: Mapping[str, str], tools: list[Path], *, fresh_plugins: bool) -> list[Service]:
    lab, values = site.lab, configuration.stack_values(site)
    # The former tools behind the others, and always: a cluster that is being upgraded runs both.
    if catalog.write_proxmox_config(site, [*tools, _former(lab) / "bin"]):
        catalog.proxmox(site, env).stop()  # It reads its configuration once.
    catalog.write_controllers_config(site, tools)
    chart_repository.publish(lab.home / "mirror" / "charts", chart_repository.given_archives(os.environ))
    if "dnsParent" not in values.get("services", {}):
        # What a registrar does; other zones are delegated from these.
        network.forward(lab, values["domains"], f"{site.dns_address}:{SERVICE_PORTS['dnsPort']}")
    plugins = catalog.plugins(lab, official.stand_ins(), env)
    if fresh_plugins:
        # An official plugin dies with its engine; the lab's outlive it, half-way through a call.
        for service in plugins:
            service.stop()
    mirror = catalog.mirror(lab, env)
    catalog.claim_block(lab, mirror)
    shared = [mirror, network.resolver(lab, env), network.pebble(lab, env)]
    services = [*plugins, *shared, catalog.proxmox(site, env), *external.servers(site, env)]
    services.append(catalog.controllers(site, env))
    for service in services:
        service.start()
    return services


def _former(lab: Lab) -> Path:
    """Where the links to the control plane of `FORMER_KUBERNETES` are."""
    return lab.home / f"kubernetes-{FORMER_KUBERNETES}"


def recover(site: Site, env: dict[str, str]) -> None:
    """Run the product's recovery command, on standard error: a shell evaluates what `make env` prints."""
    command = [sys.executable, "-m", "recovery", site.name]
    if subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **env}, stdout=sys.stderr, check=False).returncode:
        raise EngineError(f"the recovery of {site.name} failed: see above")


def _configure(site: Site, engine: Engine) -> None:
    lab = site.lab
    charts = Charts()
    sources = configuration.Sources(
        iso=catalog.installer_medium(lab),
        cloud_image=catalog.cloud_image(lab),
        kubespray=playbooks.publish(lab),
        charts={
            to_camel(key): {"repository": catalog.chart_repository_url(lab), "version": chart.version}
            for key, chart in charts
        },
        acme={
            "directory": network.acme(lab).directory,
            "resolvers": [f"{network.resolver_address(lab)}:{network.RESOLVER_PORT}"],
        },
        authorities=external.authorities(site),
    )
    if stack := configuration.missing_backup(site):
        console.note(f"{stack} is not up in this lab: {site.name} goes without backups (first: make up SITE={stack})")
    configuration.link_kubeconfigs(lab)
    configuration.write_stack_file(site, configuration.lab_values(site, sources), engine.encryption_salt())
    secrets = {"proxmoxApiToken": catalog.api_token(site), "dnsTransferKey": environment.transfer_key(lab)}
    engine.set_secrets({f"{configuration.NAMESPACE}:{key}": value for key, value in secrets.items()})
