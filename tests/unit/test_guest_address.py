"""The provider of machines' addresses, against a real HTTP API."""

from __future__ import annotations

from typing import Any

import pytest

from components.machines import provider
from components.machines.addresses import AddressError
from components.machines.provider import GuestAddressProvider
from components.proxmox import ApiError

UUID = "6f2ad9a0-0000-4000-8000-000000000035"
MAC = "02:00:00:00:08:35"
PATH = "/nodes/pve1/qemu/2101/agent/network-get-interfaces"


def interface(mac: str, *addresses: str) -> dict[str, Any]:
    found = [{"ip-address": one, "ip-address-type": "ipv4", "prefix": 24} for one in addresses]
    return {"name": "any", "hardware-address": mac, "ip-addresses": found}


LOOPBACK = interface("00:00:00:00:00:00", "127.0.0.1")
CNI = interface("ee:ee:ee:ee:ee:ee", "10.233.64.1")


@pytest.fixture
def vm(proxmox: Any) -> Any:
    config = {"agent": 1, "smbios1": f"base64=1,uuid={UUID},sku=b3Nz"}
    proxmox.add_vm(2101, "paris-masters-1", status="running", config=config)
    found = proxmox.vm(2101)
    found.agent = {"interfaces": [LOOPBACK, CNI, interface(MAC.lower(), "10.75.10.101")]}
    return found


@pytest.fixture
def props(proxmox: Any, proxmox_token: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(provider, "PAUSE", 0.01)
    return {
        "endpoint": proxmox.url,
        "apiToken": proxmox_token,
        "insecure": False,
        "vm": "paris-masters-1",
        "vmId": 2101.0,
        "macAddress": MAC,
        "dhcp": {"first": "10.75.10.100", "last": "10.75.10.199"},
        "bootSeconds": 0.1,
        "diskGib": 50.0,
    }


def test_the_address_of_its_own_mac(vm: Any, props: dict[str, Any]) -> None:
    result = GuestAddressProvider().create(props)
    assert (result.id, result.outs) == (UUID, {**props, "address": "10.75.10.101"})


def test_it_waits_for_the_agent_and_for_the_lease(vm: Any, proxmox: Any, props: dict[str, Any]) -> None:
    proxmox.fail("GET", PATH, 500, "QEMU guest agent is not running", times=3)
    result = GuestAddressProvider().create({**props, "bootSeconds": 5})
    assert result.outs == {**props, "bootSeconds": 5, "address": "10.75.10.101"}


@pytest.mark.parametrize(
    ("interfaces", "message"),
    [
        (None, "its guest agent reported no interface"),
        ([LOOPBACK, CNI, interface(MAC)], f"{MAC} has no IPv4 address"),
    ],
)
def test_a_machine_without_an_address(vm: Any, props: dict[str, Any], interfaces: Any, message: str) -> None:
    vm.agent = interfaces and {"interfaces": interfaces}
    with pytest.raises(AddressError, match=message) as failure:
        GuestAddressProvider().create(props)
    assert str(failure.value).startswith(
        "No address after 0 s (proxmox.bootSeconds). paris-masters-1 (VM 2101 on node pve1): "
    )


@pytest.mark.parametrize(("status", "message"), [(403, "VM.GuestAgent.Audit"), (595, "No route to host")])
def test_a_refusal_is_not_waited_for(vm: Any, proxmox: Any, props: dict[str, Any], status: int, message: str) -> None:
    proxmox.fail("GET", PATH, status, message)
    with pytest.raises(ApiError, match=message):
        GuestAddressProvider().create({**props, "bootSeconds": 60})


def test_a_machine_that_is_gone(props: dict[str, Any]) -> None:
    with pytest.raises(AddressError, match=r"paris-masters-1 \(VM 2101\) is gone"):
        GuestAddressProvider().create({**props, "bootSeconds": 60})
    assert GuestAddressProvider().read("id", {**props, "address": "10.75.10.101"}).id == ""


def test_refresh(vm: Any, props: dict[str, Any]) -> None:
    state = {**props, "address": "10.75.10.150"}
    assert GuestAddressProvider().read("id", state).outs == {**state, "address": "10.75.10.101"}
    vm.agent = None
    assert GuestAddressProvider().read("id", state).outs == state


def test_a_refresh_tells_of_a_machine_that_runs_without_its_address(vm: Any, props: dict[str, Any]) -> None:
    vm.agent = {"interfaces": [LOOPBACK, interface(MAC, "192.168.1.7")]}
    with pytest.raises(AddressError, match=r"has 192\.168\.1\.7, none of them in network\.dhcp"):
        GuestAddressProvider().read("id", {**props, "address": "10.75.10.101"})


def test_a_smaller_disk_is_refused_in_the_preview(proxmox: Any, props: dict[str, Any]) -> None:
    provider, smaller = GuestAddressProvider(), {**props, "diskGib": 40.0}
    assert provider.check({}, props).failures == []
    assert provider.check({key: value for key, value in props.items() if key != "diskGib"}, smaller).failures == []
    assert provider.check(smaller, props).failures == []
    (failure,) = provider.check(props, smaller).failures
    assert failure.property == "diskGib"
    assert failure.reason == (
        "the disk of paris-masters-1 has 50 GiB, and diskGib is now 40: a disk can grow but not shrink. Put 50 back; "
        "for smaller disks, make another pool and move to it"
    )
    assert proxmox.requests == []


@pytest.mark.parametrize(
    ("changes", "changed", "address"),
    [
        ({"__provider": "another pickle"}, False, "10.75.10.150"),
        ({"apiToken": "a@pve!b=c"}, True, "10.75.10.150"),
        ({"bootSeconds": 3.0}, True, "10.75.10.150"),
        ({"diskGib": 60.0}, False, "10.75.10.150"),
        ({"dhcp": {"first": "10.75.10.90", "last": "10.75.10.199"}}, True, "10.75.10.101"),
    ],
)
def test_updates(
    vm: Any, proxmox: Any, props: dict[str, Any], changes: dict[str, Any], changed: bool, address: str
) -> None:
    state, news = {**props, "address": "10.75.10.150"}, {**props, **changes}
    assert GuestAddressProvider().diff("id", state, news).changes is changed
    assert proxmox.requests == []
    assert GuestAddressProvider().update("id", state, news).outs == {**news, "address": address}
