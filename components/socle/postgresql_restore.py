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
from components.socle.postgresql_dump import FOLDER, PostgreSqlDumpArgs

SCRIPT = Path(__file__).with_name("postgresql-restore.sh")
SCHEDULE = "17 4 * * 0"
"""UTC, two hours after a dump."""
SCRATCH = "/scratch"


@dataclass(frozen=True)
class PostgreSqlRestoreArgs:
    """Inputs of the proof."""

    dump: PostgreSqlDumpArgs
    """Of the dumps: what made them restores them, too."""
    claim: pulumi.Input[str]
    """Of the volume with the dumps."""


class PostgreSqlRestore(pulumi.ComponentResource):
    """A job that restores the newest dump into a scratch database."""

    def __init__(self, name: str, args: PostgreSqlRestoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSqlRestore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        workload.cron_job(name, args.dump.namespace, SCHEDULE, 1, _pod(args), child)
        self.register_outputs({})


def _pod(args: PostgreSqlRestoreArgs) -> core.v1.PodSpecArgs:
    dump = args.dump
    variables = {"PGUSER": dump.database, "PGDATABASE": dump.database, "FOLDER": FOLDER, "SCRATCH": SCRATCH}
    container = core.v1.ContainerArgs(
        name="pg-restore",
        image=dump.image,
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
    return workload.pod(dump.uid, [container], volumes, restart_policy="Never")
