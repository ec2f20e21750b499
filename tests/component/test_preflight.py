"""What the preflight is told of a site's pools."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

import pulumi
import pytest

from components.preflight import Preflight, PreflightArgs
from settings import AddressRange, Image, Network, Pool, Proxmox
from tests.component.mocks import Agreeing

Test = TypeVar("Test", bound=Callable[..., pulumi.Output[None]])
runtime_test: Callable[[Test], Test] = pulumi.runtime.test  # the SDK leaves it untyped

NETWORK = Network(
    vlan=75,
    cidr=IPv4Network("10.75.10.0/24"),
    dhcp=AddressRange(first=IPv4Address("10.75.10.100"), last=IPv4Address("10.75.10.199")),
    load_balancers=AddressRange(first=IPv4Address("10.75.10.200"), last=IPv4Address("10.75.10.239")),
)
PROXMOX = Proxmox(endpoint="https://pve1.example.org:8006", nodes=("pve1", "pve2"), vm_id_base=2000)
POOLS = (
    Pool(name="masters", role="control-plane", count=2, vm_id_offset=101),
    Pool(name="gpu", role="worker", count=1, vm_id_offset=201, nodes=("pve2",), storage="fast", bridge="vmbr1", vlan=0),
)


class Mocks(Agreeing):
    """A provider that agrees."""

    inputs: dict[str, Any]

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.inputs = args.inputs
        return super().new_resource(args)


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    return mocks


@runtime_test
def test_each_pool_says_where_it_is(mocks: Mocks) -> pulumi.Output[None]:
    preflight = Preflight("paris", PreflightArgs(PROXMOX, "a@pve!b=c", NETWORK, POOLS, Image()))

    def check(_: str) -> None:
        inputs = mocks.inputs
        assert inputs["site"] == "paris"
        assert (inputs["nodes"], inputs["network"]) == (["pve1", "pve2"], "vmbr0/75")
        assert inputs["pools"] == [
            {
                "name": "masters",
                "machines": {"paris-masters-1": 2101, "paris-masters-2": 2102},
                "nodes": ["pve1", "pve2"],
                "storage": "local-lvm",
                "network": "vmbr0/75",
            },
            {
                "name": "gpu",
                "machines": {"paris-gpu-1": 2201},
                "nodes": ["pve2"],
                "storage": "fast",
                "network": "vmbr1",
            },
        ]

    return preflight.urn.apply(check)


MOVING: dict[str, tuple[Image, dict[str, tuple[str, ...] | str]]] = {
    "another-node": (Image(), {"nodes": ("pve1", "pve2")}),
    "template-made-by-hand": (Image(source="existing", template="debian"), {"nodes": ("pve1",)}),
    "pinned-template": (Image(), {"nodes": ("pve1",), "image": "debian"}),
}


@pytest.mark.parametrize("rule", [*MOVING, "none"])
@runtime_test
def test_clones_may_have_to_move(mocks: Mocks, rule: str) -> pulumi.Output[None]:
    image, changes = MOVING.get(rule, (Image(), {"nodes": ("pve1",)}))
    pool = Pool(name="masters", role="control-plane", count=1, vm_id_offset=101, **changes)
    preflight = Preflight("paris", PreflightArgs(PROXMOX, "a@pve!b=c", NETWORK, (pool,), image))

    def check(_: str) -> None:
        assert mocks.inputs["clonesMove"] is (rule in MOVING)

    return preflight.urn.apply(check)
