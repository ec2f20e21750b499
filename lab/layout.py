"""Where the lab's things live: addresses, ports and folders of every site.

Everything listens on 127.<block>.0.0/16. The block is 77 unless `OSS_NEXTGEN_LAB_BLOCK` says
otherwise, so that two labs (a person's and a test run's) never meet. Each site owns a /20.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "oss-nextgen"
TOOLS = CACHE / "tools"
"""Per-user cache of tools: `TOOLS/<tool>/<version>/<tool>`."""

SITES = ("paris", "toulouse", "marseille", "lille", "backup")
PROXMOX_PORT = 8006
WEBHOOK_PORT = 9443
SSH_PORT = 2222
"""Of every guest: a port that any user may bind."""
SERVICE_PORTS = {"httpPort": 8080, "httpsPort": 8443, "dnsPort": 5300, "dnsApiPort": 8444}
"""Of the cluster's services, likewise."""


@dataclass(frozen=True)
class Lab:
    """One lab: a folder for its state and a block of loopback addresses."""

    home: Path
    block: int

    @classmethod
    def current(cls) -> Lab:
        """The lab of this checkout, or the one that the environment names."""
        return cls(
            home=Path(os.environ.get("OSS_NEXTGEN_LAB_HOME", REPOSITORY / ".lab")).absolute(),
            block=int(os.environ.get("OSS_NEXTGEN_LAB_BLOCK", "77")),
        )

    @property
    def state(self) -> Path:
        """Pulumi's state backend, one for all sites: StackReferences need that."""
        return self.home / "state"

    @property
    def passphrase(self) -> Path:
        return self.home / "passphrase"

    @property
    def mirror(self) -> IPv4Address:
        """Address of the server that stands in for the internet."""
        return IPv4Address(f"127.{self.block}.0.1")

    @property
    def services(self) -> Path:
        """Records and logs of the services that all sites share."""
        return self.home / "services"

    @property
    def kubeconfigs(self) -> Path:
        """The kubeconfigs of all sites."""
        return self.home / "kubeconfigs"

    @property
    def kubeconfig_link(self) -> Path:
        """In the clone, where the program writes them: a link to `kubeconfigs`."""
        return REPOSITORY / ".kube" / f"lab-{self.block}"

    def site(self, name: str) -> Site:
        if name not in SITES:
            raise ValueError(f"unknown site {name!r}: one of {', '.join(SITES)}")
        return Site(lab=self, name=name)

    def holds(self, stack: str) -> bool:
        """Whether a stack is up: its state has outputs."""
        file = self.state / ".pulumi" / "stacks" / "oss-nextgen" / f"{stack}.json"
        latest = json.loads(file.read_text())["checkpoint"]["latest"] if file.exists() else None
        resources = (latest or {}).get("resources") or []
        return any(resource["type"] == "pulumi:pulumi:Stack" and resource.get("outputs") for resource in resources)

    def sites(self) -> list[Site]:
        """The sites that have been up in this lab."""
        return [site for site in map(self.site, SITES) if site.home.exists()]


@dataclass(frozen=True)
class Site:
    """The part of a lab that plays one site."""

    lab: Lab
    name: str

    @property
    def home(self) -> Path:
        return self.lab.home / "sites" / self.name

    @property
    def services(self) -> Path:
        """Records and logs of the site's own services."""
        return self.home / "services"

    @property
    def stack_file(self) -> Path:
        """The lab's copy of the stack's configuration."""
        return self.home / f"Pulumi.{self.name}.yaml"

    @property
    def proxmox_config(self) -> Path:
        """What the Proxmox service is told; it holds passwords."""
        return self.home / "proxmox.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, which the program writes."""
        return self.lab.kubeconfigs / f"{self.name}.yaml"

    @property
    def kubeconfig_path(self) -> str:
        """The same as settings name it: by the lab's link, for it must be below the program's `.kube`."""
        return str((self.lab.kubeconfig_link / self.kubeconfig.name).relative_to(REPOSITORY))

    @cached_property
    def number(self) -> int:
        return SITES.index(self.name) + 1

    @property
    def network(self) -> IPv4Network:
        """All that is the site's own."""
        return IPv4Network(f"127.{self.lab.block}.{self.number * 16}.0/20")

    def _subnet(self, index: int) -> IPv4Network:
        return IPv4Network(f"127.{self.lab.block}.{self.number * 16 + index}.0/24")

    @property
    def proxmox(self) -> IPv4Address:
        """Address of the Proxmox VE API."""
        return self._subnet(0)[1]

    @property
    def endpoint(self) -> str:
        return f"https://{self.proxmox}:{PROXMOX_PORT}"

    @property
    def runner(self) -> IPv4Address:
        """Address that Packer's HTTP server binds on the runner."""
        return self._subnet(0)[2]

    @property
    def webhook(self) -> IPv4Address:
        """Address at which the lab's controllers answer for a webhook of a played pod."""
        return self._subnet(0)[3]

    def external(self, index: int) -> IPv4Address:
        """Address of the server that plays an external service, by its place in the stack file."""
        return self._subnet(0)[100 + index]

    @property
    def machines(self) -> IPv4Network:
        """Network of the guests."""
        return self._subnet(1)

    @property
    def api_server(self) -> IPv4Address:
        """Virtual address of the Kubernetes API."""
        return self.machines[10]

    @property
    def dns_address(self) -> IPv4Address:
        return self.machines[self.load_balancers[0]]

    @property
    def ingress_address(self) -> IPv4Address:
        return self.machines[self.load_balancers[0] + 1]

    @property
    def ldap_address(self) -> IPv4Address:
        return self.machines[self.load_balancers[0] + 2]

    @property
    def controllers_config(self) -> Path:
        """What the site's controllers are told."""
        return self.home / "controllers.json"

    dhcp = (100, 199)
    load_balancers = (200, 239)
    """First and last host number in `machines`."""

    def range(self, hosts: tuple[int, int]) -> dict[str, str]:
        """A range of `machines` as settings write it."""
        return {"first": str(self.machines[hosts[0]]), "last": str(self.machines[hosts[1]])}
