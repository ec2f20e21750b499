"""`EtcdSnapshots`: the state of the cluster, saved on the backup server every night."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core

from components import workload

NAME = "etcd-snapshots"
NAMESPACE = "kube-system"
"""Its pods run as root on the control plane, as those of Kubernetes itself."""
IMAGE = "registry.k8s.io/etcd:3.6.4-0"
"""Only its `etcdctl`, which reads from servers of other releases as well."""
CERTIFICATES = "/etc/ssl/etcd/ssl"
"""Where Kubespray keeps those of etcd, on each machine of the control plane."""
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
SCHEDULE = "45 0 * * *"
"""UTC."""


@dataclass(frozen=True)
class EtcdSnapshotsArgs:
    """Inputs of the snapshots."""

    server: pulumi.Input[str]
    """Address of the NFS server."""
    directory: pulumi.Input[str]
    """What it exports for them. It removes old ones by itself."""


class EtcdSnapshots(pulumi.ComponentResource):
    """A CronJob on the control plane. It writes by way of the node's NFS client, and needs no script and no secret."""

    def __init__(self, name: str, args: EtcdSnapshotsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:backup:EtcdSnapshots", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.job = workload.cron_job(NAME, NAMESPACE, SCHEDULE, 3, _pod(args), child)
        self.register_outputs({})


def _pod(args: EtcdSnapshotsArgs) -> core.v1.PodSpecArgs:
    certificates = core.v1.HostPathVolumeSourceArgs(path=CERTIFICATES, type="Directory")
    store = core.v1.NFSVolumeSourceArgs(server=args.server, path=args.directory)
    return core.v1.PodSpecArgs(
        restart_policy="Never",
        automount_service_account_token=False,
        enable_service_links=False,
        # etcd answers on the node's loopback address.
        host_network=True,
        node_selector={CONTROL_PLANE: ""},
        tolerations=[core.v1.TolerationArgs(key=CONTROL_PLANE, operator="Exists", effect="NoSchedule")],
        containers=[_etcdctl()],
        volumes=[
            core.v1.VolumeArgs(name="certificates", host_path=certificates),
            core.v1.VolumeArgs(name="store", nfs=store),
        ],
    )


def _etcdctl() -> core.v1.ContainerArgs:
    certificate = f"{CERTIFICATES}/admin-$(NODE)"
    settings = {
        "ETCDCTL_ENDPOINTS": "https://127.0.0.1:2379",
        "ETCDCTL_CACERT": f"{CERTIFICATES}/ca.pem",
        "ETCDCTL_CERT": f"{certificate}.pem",
        "ETCDCTL_KEY": f"{certificate}-key.pem",
    }
    return core.v1.ContainerArgs(
        name="etcdctl",
        image=IMAGE,
        # A pod's name is the date of a job and a few letters: no snapshot is overwritten.
        command=["etcdctl", "snapshot", "save", "/store/$(POD).db"],
        env=[
            _of_pod("NODE", "spec.nodeName"),
            _of_pod("POD", "metadata.name"),
            *(core.v1.EnvVarArgs(name=name, value=value) for name, value in settings.items()),
        ],
        resources=workload.resources("50m", "64Mi", "256Mi"),
        security_context=core.v1.SecurityContextArgs(
            run_as_user=0,
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            # The certificates are the user etcd's.
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"], add=["DAC_READ_SEARCH"]),
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        volume_mounts=[
            core.v1.VolumeMountArgs(name="certificates", mount_path=CERTIFICATES, read_only=True),
            core.v1.VolumeMountArgs(name="store", mount_path="/store"),
        ],
    )


def _of_pod(name: str, field: str) -> core.v1.EnvVarArgs:
    source = core.v1.EnvVarSourceArgs(field_ref=core.v1.ObjectFieldSelectorArgs(field_path=field))
    return core.v1.EnvVarArgs(name=name, value_from=source)
