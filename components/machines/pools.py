"""All pools of a site, in their order."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from components.machines.component import CloneSource, Machine, VmPool, VmPoolArgs
from settings import Pool, Settings


def vm_pools(
    settings: Settings,
    template: Callable[[Pool], CloneSource],
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
