"""Guests of the lab without a Proxmox around them, for tests that need real SSH and real Ansible."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncssh

from components.kubernetes.inventory import Cluster, Node
from lab.proxmox import debian
from lab.proxmox.guests import Guests
from lab.proxmox.leases import Leases

BLOCK = 85
"""Second octet of the loopback addresses; the third is the pytest-xdist worker's number."""
SSH_PORT = 2222
USER = "ossng"
PACKAGES = frozenset({"openssh-server", "sudo", "cloud-init", "python3"})


@dataclass
class Vm:
    """The part of a VM that `Guests` reads."""

    vmid: int
    name: str
    config: dict[str, Any]
    agent: dict[str, Any] | None = None
    acpi: bool = False


@dataclass
class Machines:
    """Running guests, and what opens them."""

    nodes: Sequence[Node]
    private_key: str
    guests: Guests
    vms: Sequence[Vm]
    loop: asyncio.AbstractEventLoop
    log: list[str] = field(default_factory=list)

    def root(self, name: str) -> Path:
        return self.guests.root(next(vm.vmid for vm in self.vms if vm.name == name))

    def cluster(self) -> Cluster:
        """What Kubespray is to make of them."""
        return Cluster(
            nodes=self.nodes,
            api_server=str(network_of_worker()[10]),
            version="1.35.4",
            pod_cidr="10.233.64.0/18",
            service_cidr="10.233.0.0/18",
            user=USER,
            ssh_port=SSH_PORT,
            registry_mirror="registry.example:5000",
        )

    def power_off(self, name: str) -> None:
        vmid = next(vm.vmid for vm in self.vms if vm.name == name)
        asyncio.run_coroutine_threadsafe(self.guests.power_off(vmid), self.loop).result()


@contextmanager
def machines(home: Path, roles: Sequence[str], tools: Sequence[Path] = ()) -> Iterator[Machines]:
    """Boot one guest per role (`control-plane` or `worker`)."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    booted, log = threading.Semaphore(0), []

    def record(line: str) -> None:
        log.append(line)
        if " booted at " in line:
            booted.release()

    network = network_of_worker()
    leases = Leases(network[100], network[199], home / "leases.json")
    guests = Guests(home, leases, tools, record)
    vms = [_vm(number, f"paris-{role}-{number}", key) for number, role in enumerate(roles, start=1)]
    for vm in vms:
        root = guests.root(vm.vmid)
        root.mkdir(parents=True)
        debian.populate(root, _plan())
        (root / "etc/machine-id").write_text("")
        (root / "etc/ssh/sshd_config.d/port.conf").write_text(f"Port {SSH_PORT}\n")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for vm in vms:
            loop.call_soon_threadsafe(guests.power_on, vm)
        for _ in vms:
            assert booted.acquire(timeout=120), log
        nodes = [
            Node(vm.name, str(_address(leases, vm)), role, zone=f"pve{vm.vmid}")
            for vm, role in zip(vms, roles, strict=True)
        ]
        yield Machines(nodes, key.export_private_key().decode(), guests, vms, loop, log)
    finally:
        asyncio.run_coroutine_threadsafe(guests.power_off_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def network_of_worker() -> IPv4Network:
    """The guests' network: each worker has its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return IPv4Network(f"127.{BLOCK}.{worker}.0/24")


def _vm(number: int, name: str, key: asyncssh.SSHKey) -> Vm:
    public = key.export_public_key().decode().strip()
    config = {
        "net0": f"virtio={_mac(number)},bridge=vmbr0",
        "scsi0": f"local-lvm:vm-{number}-disk-0,size=20G",
        "ide2": f"local-lvm:vm-{number}-cloudinit,media=cdrom",
        "boot": "order=scsi0",
        "ciuser": USER,
        "sshkeys": quote(public, safe=""),
        "ipconfig0": "ip=dhcp",
    }
    return Vm(number, name, config)


def _mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02X}"


def _address(leases: Leases, vm: Vm) -> IPv4Address:
    return leases.lease(_mac(vm.vmid), [_mac(vm.vmid)])


def _plan() -> debian.Plan:
    return debian.Plan(
        hostname="template",
        domain="lab",
        locale="en_US.UTF-8",
        timezone="UTC",
        mirror="ftp.fr.debian.org/debian",
        accounts=debian.Accounts(root_hash="!", user=USER, user_fullname="OSS NextGen", user_hash="!"),
        packages=PACKAGES,
        disk_label="gpt",
        late_command="",
    )
