"""What our own manifests have in common, under the restricted Pod Security level."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Any

import pulumi
from pulumi_kubernetes import apps, batch, core, meta

ADDRESS_ANNOTATION = "metallb.io/loadBalancerIPs"
"""Of a service that asks MetalLB for an address: https://metallb.io/usage/#requesting-specific-ips"""
LONGEST_JOB = 3600
"""Seconds. One that hangs ends before the next is due, which would wait for it."""


def container_security(uid: int | None = None) -> core.v1.SecurityContextArgs:
    """Of a container, which runs as the pod's user unless said otherwise."""
    return core.v1.SecurityContextArgs(
        run_as_user=uid,
        run_as_group=uid,
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
    )


CONTAINER_SECURITY = container_security()


def namespace(name: str, level: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A namespace. Gives its name once it is there.

    Args:
        name: Of the resource and of the namespace.
        level: Of Pod Security, which its pods have to keep to.
        opts: Of the resource.
    """
    described = meta.v1.ObjectMetaArgs(name=name, labels={"pod-security.kubernetes.io/enforce": level})
    made: pulumi.Output[str] = core.v1.Namespace(name, metadata=described, opts=opts).metadata.name
    return made


def labels(name: str) -> dict[str, str]:
    """Of an application's objects; also the selector of its pods."""
    return {"app.kubernetes.io/name": name}


def metadata(name: str, namespace: pulumi.Input[str], app: str | None = None) -> meta.v1.ObjectMetaArgs:
    """Metadata of an object of an application, which is called as the object unless said otherwise."""
    return meta.v1.ObjectMetaArgs(name=name, namespace=namespace, labels=labels(app or name))


def pod_security(uid: int) -> core.v1.PodSecurityContextArgs:
    """Run as a user and group other than root, who also own the volumes."""
    return core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=uid,
        run_as_group=uid,
        fs_group=uid,
        # A volume with many files would otherwise be walked through at each start.
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def resources(cpu: str, memory: str, most_memory: str) -> core.v1.ResourceRequirementsArgs:
    """Requests, and a limit of memory: a limit of CPU would only make it slower."""
    return core.v1.ResourceRequirementsArgs(requests={"cpu": cpu, "memory": memory}, limits={"memory": most_memory})


def claimed_volume(name: str, claim: pulumi.Input[str]) -> core.v1.VolumeArgs:
    """The volume that a claim is bound to."""
    source = core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=claim)
    return core.v1.VolumeArgs(name=name, persistent_volume_claim=source)


def config_map_volume(name: str, config_map: pulumi.Input[str]) -> core.v1.VolumeArgs:
    """The files of a ConfigMap."""
    return core.v1.VolumeArgs(name=name, config_map=core.v1.ConfigMapVolumeSourceArgs(name=config_map))


def secret_volume(name: str, secret: pulumi.Input[str]) -> core.v1.VolumeArgs:
    """The files of a Secret."""
    return core.v1.VolumeArgs(name=name, secret=core.v1.SecretVolumeSourceArgs(secret_name=secret))


def scratch(name: str) -> core.v1.VolumeArgs:
    """A volume that lives as long as the pod."""
    return core.v1.VolumeArgs(name=name, empty_dir=core.v1.EmptyDirVolumeSourceArgs())


def mounts(paths: Mapping[str, str]) -> list[core.v1.VolumeMountArgs]:
    """Volume -> path in the container."""
    return [core.v1.VolumeMountArgs(name=name, mount_path=path) for name, path in paths.items()]


def file_mount(volume: str, path: str) -> core.v1.VolumeMountArgs:
    """One file of a volume, among those of the image."""
    return core.v1.VolumeMountArgs(name=volume, mount_path=path, sub_path=PurePosixPath(path).name, read_only=True)


def spread(name: str) -> core.v1.TopologySpreadConstraintArgs:
    """Replicas of an application on different nodes, where there are any."""
    return core.v1.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key="kubernetes.io/hostname",
        when_unsatisfiable="ScheduleAnyway",
        label_selector=_selector(name),
    )


def pod(
    uid: int, containers: Sequence[core.v1.ContainerArgs], volumes: Sequence[core.v1.VolumeArgs], **more: Any
) -> core.v1.PodSpecArgs:
    """A pod of one user that is told nothing of the cluster. `more` are other fields of the spec."""
    return core.v1.PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=pod_security(uid),
        containers=containers,
        volumes=volumes,
        **more,
    )


def digest(contents: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """A hash that changes when one of the texts does, for an annotation of the pods that read them at their start only.

    No secret, or a preview would show nothing of the workload; nobody can guess what a long random password was hashed
    with.
    """

    def hashed(texts: dict[str, str]) -> str:
        joined = "\0".join(f"{name}\0{text}" for name, text in sorted(texts.items()))
        return hashlib.sha256(joined.encode()).hexdigest()

    return pulumi.Output.unsecret(pulumi.Output.all(**contents).apply(hashed))


def claim(
    name: str,
    namespace: pulumi.Input[str],
    storage_class: pulumi.Input[str],
    size: str,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """A volume for one node at a time, outside of any StatefulSet's template: it can be protected, and outlives a
    replaced StatefulSet. Gives its name once it is bound.
    """
    made = core.v1.PersistentVolumeClaim(
        name,
        metadata=meta.v1.ObjectMetaArgs(name=name, namespace=namespace),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=storage_class,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": size}),
        ),
        opts=opts,
    )
    bound: pulumi.Output[str] = made.metadata.name
    return bound


def service(
    name: str,
    namespace: pulumi.Input[str],
    ports: Sequence[core.v1.ServicePortArgs],
    opts: pulumi.ResourceOptions,
    address: IPv4Address | None = None,
    **more: Any,
) -> core.v1.Service:
    """A Service for the pods of the application of that name.

    Args:
        name: Of the service and of the application.
        namespace: Of both.
        ports: What it serves.
        opts: Of the resource.
        address: What it asks MetalLB for, if it is a LoadBalancer.
        more: Other fields of the spec.
    """
    described = metadata(name, namespace)
    if address is not None:
        described.annotations = {ADDRESS_ANNOTATION: str(address)}
    spec = core.v1.ServiceSpecArgs(selector=labels(name), ports=ports, **more)
    return core.v1.Service(name, metadata=described, spec=spec, opts=opts)


def deployment(
    name: str,
    namespace: pulumi.Input[str],
    replicas: int,
    pod: core.v1.PodSpecArgs,
    opts: pulumi.ResourceOptions,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> apps.v1.Deployment:
    """Pods without volumes of their own. `annotations` are the pods'."""
    return apps.v1.Deployment(
        name,
        metadata=metadata(name, namespace),
        spec=apps.v1.DeploymentSpecArgs(
            replicas=replicas, selector=_selector(name), template=_template(name, pod, annotations)
        ),
        opts=opts,
    )


def stateful_set(
    name: str,
    namespace: pulumi.Input[str],
    pod: core.v1.PodSpecArgs,
    opts: pulumi.ResourceOptions,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> apps.v1.StatefulSet:
    """One pod, which ends before another one has its volume. `annotations` are the pod's."""
    return apps.v1.StatefulSet(
        name,
        metadata=metadata(name, namespace),
        spec=apps.v1.StatefulSetSpecArgs(
            replicas=1, service_name=name, selector=_selector(name), template=_template(name, pod, annotations)
        ),
        opts=opts,
    )


def cron_job(
    name: str,
    namespace: pulumi.Input[str],
    schedule: str,
    retries: int,
    pod: core.v1.PodSpecArgs,
    opts: pulumi.ResourceOptions,
) -> batch.v1.CronJob:
    """A job that runs again and again, never twice at once.

    Args:
        name: Of the job and of its pods' application.
        namespace: Where it runs.
        schedule: Five fields of cron, UTC.
        retries: How often one that failed is tried again at once.
        pod: What runs.
        opts: Of the resource.
    """
    job = batch.v1.JobSpecArgs(
        backoff_limit=retries, active_deadline_seconds=LONGEST_JOB, template=_template(name, pod)
    )
    return batch.v1.CronJob(
        name,
        metadata=metadata(name, namespace),
        spec=batch.v1.CronJobSpecArgs(
            schedule=schedule,
            time_zone="Etc/UTC",
            concurrency_policy="Forbid",
            job_template=batch.v1.JobTemplateSpecArgs(spec=job),
        ),
        opts=opts,
    )


def _selector(name: str) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(match_labels=labels(name))


def _template(
    name: str, pod: core.v1.PodSpecArgs, annotations: Mapping[str, pulumi.Input[str]] | None = None
) -> core.v1.PodTemplateSpecArgs:
    described = meta.v1.ObjectMetaArgs(labels=labels(name), annotations=annotations)
    return core.v1.PodTemplateSpecArgs(metadata=described, spec=pod)
