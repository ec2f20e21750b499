"""Rules of a site's pools; `rules` applies them with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from settings.problems import Problem, repeated

if TYPE_CHECKING:
    from settings.models import Image, Kubernetes, Pool, Proxmox

SITE_VM_IDS = 1000
"""How many VMIDs a site owns, from `proxmox.vmIdBase` on."""

CLUSTER_MEMORY_MIB = 2048
"""Least memory of a cluster's VM. Kubespray asks for 1,500 MB usable; the kernel keeps some of it for itself."""

CLUSTER_ROLES = ("control-plane", "worker")


def pool_names_differ(pools: Sequence[Pool]) -> Iterator[Problem]:
    """Machine names derive from pool names."""
    yield from repeated("pools[{}].name", [pool.name for pool in pools], "duplicate-pool")


def pool_nodes(pools: Sequence[Pool], proxmox: Proxmox) -> Iterator[Problem]:
    """A pool is carried by nodes of the site, each named once: one named twice would get twice its share."""
    for index, pool in enumerate(pools):
        path, nodes = f"pools[{index}].nodes[{{}}]", pool.nodes or ()
        yield from repeated(path, nodes, "duplicate-pool-node")
        for position, node in enumerate(nodes):
            if node not in proxmox.nodes:
                expected = f"must be one of proxmox.nodes, {', '.join(proxmox.nodes)}"
                yield Problem.at(path.format(position), node, "unknown-pool-node", expected)


def pool_tags(site: str, pools: Sequence[Pool]) -> Iterator[Problem]:
    """Proxmox keeps each tag once, and the program gives some to every machine by itself."""
    for index, pool in enumerate(pools):
        path = f"pools[{index}].tags[{{}}]"
        yield from repeated(path, pool.tags, "duplicate-tag")
        for position, tag in enumerate(pool.tags):
            if tag in pool.own_tags(site):
                expected = "is given to the pool's machines without being asked for: leave it out"
                yield Problem.at(path.format(position), tag, "needless-tag", expected)


def vm_ids_in_site(pools: Sequence[Pool]) -> Iterator[Problem]:
    """A pool stays within the VMIDs that the site owns."""
    for index, pool in enumerate(pools):
        if pool.offsets.stop > SITE_VM_IDS:
            most = SITE_VM_IDS - pool.count
            expected = f"must be at most {most} for {pool.count} VMs: a site owns {SITE_VM_IDS} VMIDs"
            yield Problem.at(f"pools[{index}].vmIdOffset", pool.vm_id_offset, "vmid-outside-site", expected)


def vm_ids_differ(pools: Sequence[Pool]) -> Iterator[Problem]:
    """No VMID belongs to two pools."""
    for (_, first), (index, second) in combinations(enumerate(pools), 2):
        if first.vm_id_offset < second.offsets.stop and second.vm_id_offset < first.offsets.stop:
            taken = f"{first.vm_id_offset} to {first.offsets.stop - 1}"
            expected = f"pool {first.name} takes {taken}; leave a gap, so that both can grow"
            yield Problem.at(f"pools[{index}].vmIdOffset", second.vm_id_offset, "vmid-overlap", expected)


def disks_hold_image(pools: Sequence[Pool], image: Image) -> Iterator[Problem]:
    """Proxmox VE grows a clone's disk, and cannot shrink it."""
    for index, pool in enumerate(pools):
        if pool.disk_gib < image.disk_gib:
            expected = f"must be at least image.diskGib, {image.disk_gib}: a clone's disk can grow but not shrink"
            yield Problem.at(f"pools[{index}].diskGib", pool.disk_gib, "disk-shrinks", expected)


def cluster_memory(pools: Sequence[Pool], kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """Kubespray stops where a node has too little memory. Machines of storage pools are nodes, too."""
    for index, pool in enumerate(pools):
        if kubernetes and pool.memory_mib < CLUSTER_MEMORY_MIB:
            expected = f"must be at least {CLUSTER_MEMORY_MIB} for a {pool.role} pool"
            yield Problem.at(f"pools[{index}].memoryMib", pool.memory_mib, "memory-too-small", expected)


def cluster_has_pools(pools: Sequence[Pool], kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """A cluster needs both roles."""
    for role in CLUSTER_ROLES if kubernetes else ():
        if all(pool.role != role for pool in pools):
            names = ", ".join(pool.name for pool in pools)
            expected = f"kubernetes needs a pool with role {role}"
            yield Problem.at("pools", names, f"no-{role}", expected)


def pools_have_cluster(pools: Sequence[Pool], kubernetes: Kubernetes | None) -> Iterator[Problem]:
    """A role in the cluster needs a cluster."""
    for index, pool in enumerate(pools):
        if kubernetes is None and pool.role in CLUSTER_ROLES:
            expected = "must be storage on a site without kubernetes; else add the kubernetes section"
            yield Problem.at(f"pools[{index}].role", pool.role, "role-without-cluster", expected)


def control_plane_is_odd(pools: Sequence[Pool]) -> Iterator[Problem]:
    """etcd runs on the control plane, and Kubespray refuses an even number of its members."""
    control_plane = [(index, pool.count) for index, pool in enumerate(pools) if pool.role == "control-plane"]
    total = sum(count for _, count in control_plane)
    if control_plane and total % 2 == 0:
        index, count = control_plane[-1]
        expected = f"the control plane has {total} nodes in all, and needs an odd number, such as 3, for etcd's votes"
        yield Problem.at(f"pools[{index}].count", count, "even-control-plane", expected)


def control_plane_starts_first(pools: Sequence[Pool]) -> Iterator[Problem]:
    """After a power cut, workers look for a control plane that must be there."""
    latest = max((pool.boot.order for pool in pools if pool.role == "control-plane"), default=0)
    for index, pool in enumerate(pools):
        if pool.role == "worker" and pool.boot.order < latest:
            expected = f"must be at least {latest}, so that workers do not start before the control plane"
            yield Problem.at(f"pools[{index}].startup.order", pool.boot.order, "worker-starts-first", expected)


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (
    pool_names_differ,
    pool_nodes,
    pool_tags,
    vm_ids_in_site,
    vm_ids_differ,
    disks_hold_image,
    cluster_memory,
    cluster_has_pools,
    pools_have_cluster,
    control_plane_is_odd,
    control_plane_starts_first,
)
"""In the order in which a person reads the file."""
