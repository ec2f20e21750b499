"""`VmPool`: identical VMs, cloned from the golden image; and all pools of a site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_proxmoxve as proxmoxve

from components.machines.placement import Place, places
from components.machines.provider import GuestAddress, GuestAddressArgs
from settings import Network, Pool, Proxmox, Settings

if TYPE_CHECKING:
    # Images are found by where machines go.
    from components.images.provider import Template

TYPE = "oss-nextgen:machines:VmPool"
DISK = "scsi0"
"""Where the golden image has its disk."""
CLONE_RETRIES = 3
CREATE_MINUTES = 60
"""A full clone over a slow network storage, then the power-on."""


@dataclass(frozen=True)
class Machine:
    """A VM of the site, as the components after it see it."""

    name: str
    """`<site>-<pool>-<n>`; also its host name."""
    role: str
    """Its pool's: control-plane, worker or storage."""
    vm_id: int
    node: pulumi.Input[str]
    """Proxmox node that carries it, as far as the last refresh has told."""
    address: pulumi.Output[str]
    """IPv4 address that DHCP gave it."""
    uuid: pulumi.Output[str]
    """Proxmox VE's own name of the VM (its SMBIOS UUID): another one is another VM. A preview knows that of every VM
    that is there."""


@dataclass(frozen=True)
class VmPoolArgs:
    """What a pool is made of, and where."""

    site: str
    pool: Pool
    proxmox: Proxmox
    api_token: pulumi.Input[str]
    """`user@realm!tokenid=uuid`, secret."""
    network: Network
    user: str
    """Account that cloud-init gives the key to."""
    public_key: pulumi.Input[str]
    """OpenSSH format."""
    template: Template
    """What new VMs are cloned from."""
    protection: bool
    """Pulumi's `protect` and Proxmox's own flag."""
    after: Mapping[str, pulumi.Resource]
    """Proxmox node -> the last VM that another pool clones there: this pool's clones wait for it."""


class VmPool(pulumi.ComponentResource):
    """The pool's VMs, spread over its Proxmox nodes in turn.

    On each node one clone is made after the other, over all pools: parallel clones of one template
    run into lock timeouts. The chain goes from power-on to clone; the machines boot beside it. Neither a changed
    image nor a changed list of nodes touches existing VMs, and no change reboots one by itself: the
    provider says which VM waits for a reboot, and a person drains it first.
    """

    machines: list[Machine]
    """In the order of their numbers."""
    last_on: dict[str, pulumi.Resource]
    """Proxmox node -> the last VM that is cloned there, for the next pool's `after`."""

    def __init__(self, name: str, args: VmPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, name, None, opts)
        self._name, self._args = name, args
        self.last_on = dict(args.after)
        self.machines = []
        vms: dict[Place, proxmoxve.VmLegacy] = {}
        for place in places(args.site, args.pool, args.proxmox):
            vms[place] = self.last_on[place.node] = self._vm(place, self.last_on.get(place.node))
        for place, vm in vms.items():
            found = self._address(place, vm, list(vms.values()))
            self.machines.append(
                Machine(place.name, args.pool.role, place.vm_id, vm.node_name, found.address, found.id)
            )
        self.register_outputs({"addresses": {machine.name: machine.address for machine in self.machines}})

    def _vm(self, place: Place, after: pulumi.Resource | None) -> proxmoxve.VmLegacy:
        args, pool = self._args, self._args.pool
        storage = pool.storage or args.proxmox.disk_storage
        return proxmoxve.VmLegacy(
            f"{self._name}-{place.number}",
            name=place.name,
            vm_id=place.vm_id,
            node_name=place.node,
            description=f"OSS NextGen: {pool.role} of {args.site}. Managed by Pulumi.",
            tags=sorted({*pool.own_tags(args.site), *pool.tags}),  # sorted, as Proxmox keeps them
            clone=proxmoxve.VmLegacyCloneArgs(
                vm_id=args.template.vm_id,
                node_name=args.template.node,
                datastore_id=storage,
                full=True,
                retries=CLONE_RETRIES,
            ),
            # A common CPU type, so that a VM can move between nodes of different age.
            cpu=proxmoxve.VmLegacyCpuArgs(cores=pool.cores, type="x86-64-v2-AES"),
            memory=proxmoxve.VmLegacyMemoryArgs(dedicated=pool.memory_mib),
            disks=[
                proxmoxve.VmLegacyDiskArgs(
                    interface=DISK, datastore_id=storage, size=pool.disk_gib, discard="on", iothread=True, ssd=True
                )
            ],
            network_devices=[self._network_device(place)],
            initialization=self._cloud_init(storage),
            agent=proxmoxve.VmLegacyAgentArgs(
                enabled=True, trim=True, wait_for_ip=proxmoxve.VmLegacyAgentWaitForIpArgs(disabled=True)
            ),
            on_boot=True,
            startup=proxmoxve.VmLegacyStartupArgs(**pool.boot.model_dump()),
            protection=args.protection,
            reboot_after_update=False,
            # The provider's own limit, by default half an hour, beside the engine's.
            timeout_clone=CREATE_MINUTES * 60,
            # Nothing in a VM that is destroyed needs a clean shutdown, and a hung guest would block it.
            stop_on_destroy=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protection,
                depends_on=[after] if after else None,
                # A VM stays where it is, wherever a person has moved it; what was for its clone is over.
                ignore_changes=["clone", "nodeName", "timeoutClone"],
                # The old VM and the new one share a VMID.
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create=f"{CREATE_MINUTES}m"),
            ),
        )

    def _network_device(self, place: Place) -> proxmoxve.VmLegacyNetworkDeviceArgs:
        pool, network = self._args.pool, self._args.network
        return proxmoxve.VmLegacyNetworkDeviceArgs(
            bridge=pool.bridge or network.bridge, vlan_id=pool.tag(network), mac_address=place.mac_address
        )

    def _cloud_init(self, storage: str) -> proxmoxve.VmLegacyInitializationArgs:
        return proxmoxve.VmLegacyInitializationArgs(
            datastore_id=storage,
            ip_configs=[
                proxmoxve.VmLegacyInitializationIpConfigArgs(
                    ipv4=proxmoxve.VmLegacyInitializationIpConfigIpv4Args(address="dhcp")
                )
            ],
            user_account=proxmoxve.VmLegacyInitializationUserAccountArgs(
                username=self._args.user, keys=[self._args.public_key]
            ),
            # An upgrade at first boot would hold dpkg's lock while Kubespray installs packages.
            upgrade=False,
        )

    def _address(self, place: Place, vm: proxmoxve.VmLegacy, pool: Sequence[proxmoxve.VmLegacy]) -> GuestAddress:
        args = self._args
        return GuestAddress(
            f"{self._name}-{place.number}-address",
            GuestAddressArgs(place, args.proxmox, args.api_token, args.network.dhcp, args.pool.disk_gib),
            # Once the whole pool is cloned: dynamic providers do four things at a time, and while four wait for a boot,
            # the engine begins no clone. A VM that is made again may get another lease.
            pulumi.ResourceOptions(parent=self, depends_on=pool, replace_with=[vm]),
        )


def vm_pools(
    settings: Settings,
    template: Callable[[Pool], Template],
    public_key: pulumi.Input[str],
    api_token: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> list[Machine]:
    """Declare the pools; each goes on, node by node, where the one before it ends.

    Args:
        settings: The site's.
        template: What new machines of a pool are cloned from.
        public_key: OpenSSH format, for `access.user`.
        api_token: Of Proxmox VE, secret.
        opts: Of each pool.

    Returns:
        The machines of all pools, in the pools' order.
    """
    pools: list[VmPool] = []
    for pool in settings.pools:
        args = VmPoolArgs(
            site=settings.site,
            pool=pool,
            proxmox=settings.proxmox,
            api_token=api_token,
            network=settings.network,
            user=settings.access.user,
            public_key=public_key,
            template=template(pool),
            protection=settings.protection,
            after=pools[-1].last_on if pools else {},
        )
        pools.append(VmPool(pool.name, args, opts))
    return [machine for pool in pools for machine in pool.machines]
