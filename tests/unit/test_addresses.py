"""Choosing a machine's address among what a guest agent reports."""

from ipaddress import IPv4Address

import pytest

from components.machines.addresses import AddressError, Interface, own_address
from components.machines.placement import Place, places
from settings import AddressRange, Pool, Proxmox

MAC = "02:00:00:00:08:35"
VM = "paris-masters-1 (VM 2101 on node pve1)"
DHCP = AddressRange(first=IPv4Address("10.75.10.100"), last=IPv4Address("10.75.10.199"))


def choose(interfaces: list[Interface]) -> str:
    return own_address(VM, MAC, DHCP, interfaces)


LOOPBACK = Interface("00:00:00:00:00:00", ["127.0.0.1"], ["::1"])
OWN = Interface(MAC, ["10.75.10.101"], ["fe80::1"])
CNI = Interface("EE:EE:EE:EE:EE:EE", ["10.233.64.1"], [])


@pytest.mark.parametrize(
    "interfaces",
    [
        [OWN],
        [LOOPBACK, OWN],
        [LOOPBACK, CNI, OWN],
        [OWN, CNI, LOOPBACK],
        # kube-vip adds the API server's address to the first control-plane node's interface.
        [LOOPBACK, Interface(MAC, ["10.75.10.10", "10.75.10.101"], [])],
        # A DHCP range that a CNI's addresses happen to lie in.
        [Interface("EE:EE:EE:EE:EE:EE", ["10.75.10.150"], []), OWN],
    ],
)
def test_own_address(interfaces: list[Interface]) -> None:
    assert choose(interfaces) == "10.75.10.101"


@pytest.mark.parametrize(
    ("interfaces", "message"),
    [
        ([], "reported no interface. Check .* `systemctl status qemu-guest-agent`"),
        ([LOOPBACK, CNI], f"no interface with the MAC address {MAC}, only 00:00:00:00:00:00, EE:EE"),
        ([LOOPBACK, Interface(MAC, [], ["2001:db8::5", "fe80::1"])], "has no IPv4 address, only 2001:db8::5, fe80::1"),
        ([LOOPBACK, Interface(MAC, [], [])], r"has no IPv4 address\. Check that the DHCP server"),
        (
            [Interface(MAC, ["10.75.10.10", "169.254.3.4"], [])],
            r"has 10\.75\.10\.10, 169\.254\.3\.4, none .* network\.dhcp",
        ),
    ],
)
def test_no_address_says_what_to_check(interfaces: list[Interface], message: str) -> None:
    with pytest.raises(AddressError, match=message) as failure:
        choose(interfaces)
    assert str(failure.value).startswith(VM)


def test_what_the_agent_says() -> None:
    reported = {
        "name": "ens18",
        "hardware-address": MAC.lower(),
        "ip-addresses": [
            {"ip-address": "10.75.10.101", "ip-address-type": "ipv4", "prefix": 24},
            {"ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 64},
        ],
    }
    assert Interface.of(reported) == OWN
    assert Interface.of({"name": "wg0"}) == Interface("", [], [])


def test_mac_addresses() -> None:
    def mac_address(vm_id: int) -> str:
        return Place(1, "paris-masters-1", vm_id, "pve1").mac_address

    assert mac_address(2101) == MAC
    assert mac_address(999_999_999) == "02:00:3B:9A:C9:FF"
    addresses = [mac_address(vm_id) for vm_id in range(100, 5000)]
    assert len(set(addresses)) == len(addresses)


def test_a_grown_pool_leaves_its_machines_where_they_are() -> None:
    proxmox = Proxmox(endpoint="https://pve1.example.org:8006", nodes=("pve1", "pve2", "pve3"), vm_id_base=2000)

    def of(count: int, **changes: tuple[str, ...]) -> list[Place]:
        pool = Pool(name="workers", role="worker", count=count, vm_id_offset=201, **changes)
        return list(places("paris", pool, proxmox))

    assert of(5)[:3] == of(3)
    assert [(place.name, place.vm_id, place.node) for place in of(4)[2:]] == [
        ("paris-workers-3", 2203, "pve3"),
        ("paris-workers-4", 2204, "pve1"),
    ]
    assert [place.node for place in of(3, nodes=("pve3", "pve2"))] == ["pve3", "pve2", "pve3"]
