"""`PostgreSqlRestore`: proof, every week, that a dump of these days can be restored.

The job's own record is the result: Kubernetes writes the time of the last one that succeeded into the CronJob's
status (`lastSuccessfulTime`), where `python -m verify` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components import workload

SCRIPT = Path(__file__).with_name("postgresql-restore.sh")
SCHEDULE = "17 4 * * 0"
"""UTC, two hours after a dump."""
FOLDER = "/dumps"
SCRATCH = "/scratch"


@dataclass(frozen=True)
class PostgreSqlRestoreArgs:
    """Inputs of the proof."""

    namespace: pulumi.Input[str]
    image: str
    """Of the server that made the dump."""
    uid: int
    """Of the image's user."""
    database: str
    """Its name, and its owner's."""
    claim: pulumi.Input[str]
    """Of the volume with the dumps."""


class PostgreSqlRestore(pulumi.ComponentResource):
    """A job that restores the newest dump into a scratch database."""

    def __init__(self, name: str, args: PostgreSqlRestoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSqlRestore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        workload.cron_job(name, args.namespace, SCHEDULE, 1, _pod(args), child)
        self.register_outputs({})


def _pod(args: PostgreSqlRestoreArgs) -> core.v1.PodSpecArgs:
    variables = {"PGUSER": args.database, "PGDATABASE": args.database, "FOLDER": FOLDER, "SCRATCH": SCRATCH}
    container = core.v1.ContainerArgs(
        name="pg-restore",
        image=args.image,
        command=["sh", "-c", SCRIPT.read_text(encoding="utf-8")],
        env=[core.v1.EnvVarArgs(name=key, value=value) for key, value in variables.items()],
        resources=workload.resources("50m", "128Mi", "1Gi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=[
            core.v1.VolumeMountArgs(name="dumps", mount_path=FOLDER, read_only=True),
            *workload.mounts({"scratch": SCRATCH, "tmp": "/tmp"}),  # noqa: S108 - the pod's own
        ],
    )
    volumes = [workload.claimed_volume("dumps", args.claim), workload.scratch("scratch"), workload.scratch("tmp")]
    return workload.pod(args.uid, [container], volumes, restart_policy="Never")
