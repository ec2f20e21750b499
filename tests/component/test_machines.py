"""VmPool under mocks: what it declares for each VM."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace
from typing import Any, TypeVar

import pulumi
import pulumi_proxmoxve as proxmoxve
import pytest

from components.machines import Machine, VmPool, VmPoolArgs
from lab.plugins.base import Call
from lab.plugins.proxmoxve.vm import VmLegacy
from settings import AddressRange, Network, Pool, Proxmox
from settings.models import Startup
from tests.component.mocks import Agreeing

Test = TypeVar("Test", bound=Callable[..., pulumi.Output[None]])
runtime_test: Callable[[Test], Test] = pulumi.runtime.test  # the SDK leaves it untyped
VM = "proxmoxve:index/vmLegacy:VmLegacy"
ADDRESS = "pulumi-python:dynamic/machines:GuestAddress"


class Mocks(Agreeing):
    """A provider whose machines have addresses that end like their VMIDs."""

    def __init__(self) -> None:
        self.vms: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == ADDRESS:
            number = int(args.inputs["vmId"])
            return f"uuid-{number}", {**args.inputs, "address": f"10.75.10.{number % 1000}"}
        if args.typ == VM:
            self.vms[args.name] = args.inputs
        return super().new_resource(args)


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    return mocks


def make(**changes: Any) -> VmPool:
    proxmox = Proxmox(endpoint="https://pve1.example.org:8006", nodes=("pve1", "pve2"), vm_id_base=2000)
    pool = Pool(name="masters", role="control-plane", count=3, vm_id_offset=101, cores=4, memory_mib=8192, disk_gib=60)
    network = Network(
        vlan=75,
        cidr=IPv4Network("10.75.10.0/24"),
        dhcp=AddressRange(first=IPv4Address("10.75.10.100"), last=IPv4Address("10.75.10.199")),
        load_balancers=AddressRange(first=IPv4Address("10.75.10.200"), last=IPv4Address("10.75.10.239")),
    )
    args = {
        "site": "paris",
        "pool": pool,
        "proxmox": proxmox,
        "network": network,
        "api_token": "a@pve!b=c",
        "user": "ossng",
        "public_key": pulumi.Output.from_input("ssh-ed25519 AAAA ossng"),
        "template": SimpleNamespace(vm_id=pulumi.Output.from_input(2007), node=pulumi.Output.from_input("pve1")),
        "protection": True,
        "after": {},
        **changes,
    }
    server = proxmoxve.Provider("proxmox", endpoint=proxmox.endpoint, api_token="a@pve!b=c")
    return VmPool("masters", VmPoolArgs(**args), pulumi.ResourceOptions(providers=[server]))


def whole(value: Any) -> Any:
    """Numbers as a provider gets them: the mocks make floats of those that came out of an Output."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) else value


def addresses(machines: list[Machine]) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*(machine.address for machine in machines))


@runtime_test
def test_machines(mocks: Mocks) -> pulumi.Output[None]:
    pool = make()
    assert [(one.name, one.vm_id, one.role) for one in pool.machines] == [
        ("paris-masters-1", 2101, "control-plane"),
        ("paris-masters-2", 2102, "control-plane"),
        ("paris-masters-3", 2103, "control-plane"),
    ]

    def check(found: list[list[str]]) -> None:
        assert found == [
            ["10.75.10.101", "pve1", "uuid-2101"],
            ["10.75.10.102", "pve2", "uuid-2102"],
            ["10.75.10.103", "pve1", "uuid-2103"],
        ]

    return pulumi.Output.all(*([one.address, one.node, one.uuid] for one in pool.machines)).apply(check)


@runtime_test
def test_what_a_vm_is(mocks: Mocks) -> pulumi.Output[None]:
    pool = make()

    def check(_: list[str]) -> None:
        assert list(mocks.vms) == ["masters-1", "masters-2", "masters-3"]
        vm = mocks.vms["masters-2"]
        assert (vm["name"], vm["nodeName"], vm["vmId"]) == ("paris-masters-2", "pve2", 2102)
        assert vm["tags"] == ["control-plane", "masters", "oss-nextgen", "paris"]
        assert vm["clone"] == {
            "vmId": 2007, "nodeName": "pve1", "datastoreId": "local-lvm", "full": True, "retries": 3,
        }  # fmt: skip
        assert (vm["cpu"]["cores"], vm["memory"]["dedicated"], vm["disks"][0]["size"]) == (4, 8192, 60)
        assert vm["networkDevices"] == [{"bridge": "vmbr0", "vlanId": 75, "macAddress": "02:00:00:00:08:36"}]
        assert vm["initialization"]["userAccount"] == {"username": "ossng", "keys": ["ssh-ed25519 AAAA ossng"]}
        assert vm["initialization"]["ipConfigs"] == [{"ipv4": {"address": "dhcp"}}]
        assert vm["agent"]["enabled"]
        assert vm["agent"]["waitForIp"] == {"disabled": True}
        assert vm["startup"] == {"order": 2, "upDelay": 0, "downDelay": 180}
        assert vm["protection"]
        assert not vm["rebootAfterUpdate"]
        assert vm["timeoutClone"] == 3600

    return addresses(pool.machines).apply(check)


@runtime_test
def test_no_vlan_and_no_protection(mocks: Mocks) -> pulumi.Output[None]:
    network = Network(
        cidr=IPv4Network("10.75.10.0/24"),
        dhcp=AddressRange(first=IPv4Address("10.75.10.100"), last=IPv4Address("10.75.10.199")),
        load_balancers=AddressRange(first=IPv4Address("10.75.10.200"), last=IPv4Address("10.75.10.239")),
    )
    pool = make(network=network, protection=False)

    def check(_: list[str]) -> None:
        vm = mocks.vms["masters-1"]
        assert "vlanId" not in vm["networkDevices"][0]
        assert vm["protection"] is False

    return addresses(pool.machines).apply(check)


@runtime_test
def test_every_input_is_one_that_the_lab_models(mocks: Mocks) -> pulumi.Output[None]:
    pool = make()

    def check(_: list[str]) -> None:
        inputs = whole(mocks.vms["masters-1"])
        assert VmLegacy().check(inputs, None, Call(config=None, urn=""))[1] == []

    return addresses(pool.machines).apply(check)


@runtime_test
def test_a_pool_with_a_place_of_its_own(mocks: Mocks) -> pulumi.Output[None]:
    own = Pool(
        name="gpu", role="worker", count=2, vm_id_offset=301, storage="fast", bridge="vmbr1", vlan=0, nodes=("pve2",),
        tags=("nvidia",), startup=Startup(order=9, up_delay=30),
    )  # fmt: skip
    pool = make(pool=own)

    def check(_: list[str]) -> None:
        vm = mocks.vms["masters-2"]
        assert (vm["nodeName"], vm["clone"]["nodeName"]) == ("pve2", "pve1")
        used = {vm["clone"]["datastoreId"], vm["disks"][0]["datastoreId"], vm["initialization"]["datastoreId"]}
        assert used == {"fast"}
        assert vm["networkDevices"] == [{"bridge": "vmbr1", "macAddress": "02:00:00:00:08:FE"}]
        assert vm["tags"] == ["gpu", "nvidia", "oss-nextgen", "paris", "worker"]
        assert vm["startup"] == {"order": 9, "upDelay": 30, "downDelay": 180}
        assert list(pool.last_on) == ["pve2"]

    return addresses(pool.machines).apply(check)
