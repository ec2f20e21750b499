"""The sections of a stack file."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from settings.fields import (
    Address,
    Bridge,
    Cidr,
    Commit,
    HostName,
    KubeconfigPath,
    Name,
    Port,
    Release,
    Sha256,
    StorageId,
    Tag,
    User,
    VmName,
    refuse,
)
from settings.urls import DiskImageUrl, Endpoint, IsoUrl, Registry, Repository


class Model(BaseModel):
    """Frozen, closed (an unknown key is an error), camelCase in YAML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class AddressRange(Model):
    """An inclusive range of IPv4 addresses."""

    first: Address
    last: Address

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            refuse("range-order", f"must not come before first, {self.first}", key="last")
        return self

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class Proxmox(Model):
    """The site's Proxmox VE cluster."""

    endpoint: Endpoint
    """Base URL without a path, such as `https://10.75.10.5:8006`. A node's own certificate holds its address, too."""
    nodes: Annotated[tuple[HostName, ...], Field(min_length=1)]
    """Proxmox nodes that carry VMs; images are built on the first."""
    vm_id_base: Annotated[int, Field(ge=100, le=999_999_000)]
    """First VMID of the site. It owns this one and the 999 that follow; images take the first 100."""
    iso_storage: StorageId = "local"
    disk_storage: StorageId = "local-lvm"
    boot_seconds: Annotated[int, Field(ge=10, le=7200)] = 900
    """How long a machine may take from power-on until its guest agent tells its address, and then until SSH answers."""
    insecure: bool = False
    """Accept any TLS certificate of the API. Leave it off: put the CA into the runner's trust store."""


class Network(Model):
    """The network that the site's VMs live in."""

    bridge: Bridge = "vmbr0"
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    cidr: Cidr
    """The whole network, in CIDR notation."""
    dhcp: AddressRange
    """Where the VMs' leases come from."""
    load_balancers: AddressRange
    """Addresses for Kubernetes services of type LoadBalancer."""


class Access(Model):
    """How the platform logs in to the VMs."""

    user: User = "ossng"
    ssh_port: Port = 22


class Iso(Model):
    """The Debian installer that the golden image is made from."""

    url: IsoUrl = "https://cdimage.debian.org/cdimage/archive/12.12.0/amd64/iso-cd/debian-12.12.0-amd64-netinst.iso"
    sha256: Sha256 = "dfc30e04fd095ac2c07e998f145e94bb8f7d3a8eca3a631d2eb012398deae531"


class CloudImage(Model):
    """A disk image with Debian 12 on it, cloud-init and all that the platform needs of a machine.

    Debian's own cloud images lack the guest agent: docs/operating.md says how to add what is missing.
    """

    url: DiskImageUrl
    sha256: Sha256


class Image(Model):
    """The golden image."""

    source: Literal["packer", "cloud-image", "existing"] = "packer"
    """packer installs Debian from `iso`, cloud-image imports `cloudImage`, existing takes `template`."""
    iso: Iso = Iso()
    mirror: HostName = "ftp.fr.debian.org"
    """Debian mirror that the installer uses (host name)."""
    http_address: Address | None = None
    """Runner's address that the VM fetches the preseed from (Packer's HTTP server binds it); null: Packer chooses."""
    cloud_image: CloudImage | None = None
    template: VmName | None = None
    """Name of a template that somebody made by hand."""
    disk_gib: Annotated[int, Field(ge=8, le=2048)] = 20
    """Size of the image's disk: no machine's is smaller."""
    keep: tuple[VmName, ...] = ()
    """Templates of former recipes that stay, by name, beside those that pools pin."""


class Startup(Model):
    """Its place when a Proxmox node starts its VMs; they stop in the opposite order."""

    order: Annotated[int, Field(ge=1, le=999)]
    """Lower ones start first."""
    up_delay: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds from the start of each machine to that of the next VM."""
    down_delay: Annotated[int, Field(ge=0, le=3600)] = 180
    """Seconds that each machine may take to shut down."""


STARTUP = {"storage": Startup(order=1), "control-plane": Startup(order=2), "worker": Startup(order=3)}
"""Role -> its place: what others need comes first."""


class Pool(Model):
    """Identical VMs cloned from the golden image."""

    name: Name
    """Middle part of its machines' names, `<site>-<pool>-<n>`."""
    role: Literal["control-plane", "worker", "storage"]
    """What its machines are for: control-plane, worker or storage."""
    count: Annotated[int, Field(ge=1, le=100)]
    """How many machines."""
    vm_id_offset: Annotated[int, Field(ge=100, le=999)]
    """VMIDs are `proxmox.vmIdBase + vmIdOffset + index`; MAC addresses derive from them."""
    cores: Annotated[int, Field(ge=1, le=256)] = 2
    memory_mib: Annotated[int, Field(ge=1024, le=4_194_304)] = 4096
    disk_gib: Annotated[int, Field(ge=8, le=65_536)] = 40
    """It may grow later, never shrink."""
    image: VmName | None = None
    """Name of the template that new machines are cloned from; null: the site's golden image."""
    storage: StorageId | None = None
    """Where its disks are; null: `proxmox.diskStorage`."""
    bridge: Bridge | None = None
    """null: `network.bridge`."""
    vlan: Annotated[int, Field(ge=0, le=4094)] | None = None
    """0: untagged; null: `network.vlan`."""
    nodes: Annotated[tuple[HostName, ...], Field(min_length=1)] | None = None
    """Proxmox nodes that carry new machines, in turn; null: all of `proxmox.nodes`."""
    tags: tuple[Tag, ...] = ()
    """For Proxmox, beside those that every machine bears: oss-nextgen, its site, pool and role."""
    startup: Startup | None = None
    """null: storage first, then the control plane, then workers."""

    @property
    def offsets(self) -> range:
        """VMIDs of the pool, from `proxmox.vmIdBase` on."""
        return range(self.vm_id_offset, self.vm_id_offset + self.count)

    def own_tags(self, site: str) -> set[str]:
        """Tags that every machine bears, whatever `tags` says."""
        return {"oss-nextgen", site, self.name, self.role}

    def tag(self, network: Network) -> int | None:
        """VLAN tag of its network devices; None for none."""
        return (network.vlan if self.vlan is None else self.vlan) or None

    @property
    def boot(self) -> Startup:
        """When its machines start."""
        return self.startup or STARTUP[self.role]


class Kubespray(Model):
    """The pinned Kubespray release. Both names must agree: `commit` is what is checked out."""

    repository: Repository = "https://github.com/kubernetes-sigs/kubespray.git"
    version: str = "v2.31.0"
    commit: Commit = "1c9add48975060f45396b34d8e022c30d7f80dab"


class Kubernetes(Model):
    """The site's Kubernetes cluster."""

    api_server: Address
    """Virtual address of the API server (kube-vip), outside the DHCP and load-balancer ranges."""
    version: Release = "1.35.4"
    pod_cidr: Cidr = IPv4Network("10.233.64.0/18")
    service_cidr: Cidr = IPv4Network("10.233.0.0/18")
    kubespray: Kubespray = Kubespray()
    registry_mirror: Registry | None = None
    """Private registry that nodes pull every image from, `host` or `host:port`; null: the public registries."""
    kubeconfig_path: KubeconfigPath | None = None
    """File for the administrator's kubeconfig on the runner, relative to the project, below `.kube`, which Git
    ignores; null: `.kube/<site>.yaml`."""
