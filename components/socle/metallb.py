"""`MetalLb`: addresses of the site's network for services of type LoadBalancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apiextensions, meta

from components.socle.release import release
from settings import AddressRange, Chart

API = "metallb.io/v1beta1"


@dataclass(frozen=True)
class MetalLbArgs:
    """Inputs of MetalLB."""

    chart: Chart
    namespace: pulumi.Input[str]
    addresses: AddressRange
    """All that it may give away."""
    reserved: AddressRange
    """Begins within them. Given only to a service of the owners that asks for one."""
    owners: Sequence[str]
    """Namespaces. Whoever may make a Service elsewhere on the cluster gets none of them."""


class MetalLb(pulumi.ComponentResource):
    """MetalLB in layer 2 mode.

    A service that wants an address must wait for the whole component: nothing that it could use as an
    input comes from the pools. The reserved addresses are a pool of their own, so that no other service is given one
    while its owner is replaced. All of them, used or not: MetalLB refuses a pool that overlaps with another at any
    moment, so that two pools could never trade an address.
    """

    def __init__(self, name: str, args: MetalLbArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:MetalLb", name, None, opts)
        installed = release("metallb", args.chart, args.namespace, {}, pulumi.ResourceOptions(parent=self))
        # The kinds come with the chart, and so does the webhook that checks them.
        self._opts = pulumi.ResourceOptions(parent=self, depends_on=[installed])
        self._namespace = args.namespace
        owned = {"autoAssign": False, "serviceAllocation": {"namespaces": list(args.owners)}}
        last = min(args.reserved.last, args.addresses.last)
        pools: dict[str, dict[str, object]] = {
            "platform": {"addresses": [f"{args.reserved.first}-{last}"], **owned},
            "shared": {"addresses": without(args.addresses, args.reserved), "autoAssign": True},
        }
        pools = {pool: spec for pool, spec in pools.items() if spec["addresses"]}
        for pool, spec in pools.items():
            self._resource("IPAddressPool", pool, spec)
        self._resource("L2Advertisement", "pools", {"ipAddressPools": list(pools)})
        self.register_outputs({})

    def _resource(self, kind: str, name: str, spec: dict[str, object]) -> None:
        apiextensions.CustomResource(
            f"metallb-{name}",
            api_version=API,
            kind=kind,
            metadata=meta.v1.ObjectMetaArgs(name=name, namespace=self._namespace),
            spec=spec,
            opts=self._opts,
        )


def without(addresses: AddressRange, reserved: AddressRange) -> list[str]:
    """What is left of a range, as `first-last` ranges."""
    before, after = min(addresses.last, reserved.first - 1), max(addresses.first, reserved.last + 1)
    ends = (addresses.first, before), (after, addresses.last)
    return [f"{first}-{last}" for first, last in ends if first <= last]
