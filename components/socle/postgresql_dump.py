"""`PostgreSqlDump`: a database as a file, every night, on a volume of its own.

How to restore one is in docs/operating.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components import workload

SCRIPT = Path(__file__).with_name("postgresql-dump.sh")
SCHEDULE = "17 2 * * *"
"""UTC. Longhorn's backups begin when it has ended (`settings.Storage`)."""
KEPT = 14
SIZE = "8Gi"
FOLDER = "/dumps"


@dataclass(frozen=True)
class PostgreSqlDumpArgs:
    """Inputs of the dumps."""

    namespace: pulumi.Input[str]
    storage_class: pulumi.Input[str]
    image: str
    """Of the server, or `pg_dump` might be older than it."""
    uid: int
    """Of the image's user."""
    host: pulumi.Input[str]
    database: str
    """Its name, and its owner's."""
    secret: pulumi.Input[str]
    """Name of the Secret whose `password` is the owner's."""
    protection: bool
    """Pulumi's `protect`, on the volume."""


class PostgreSqlDump(pulumi.ComponentResource):
    """The volume, and the job that writes to it."""

    claim: pulumi.Output[str]
    """Of the volume."""

    def __init__(self, name: str, args: PostgreSqlDumpArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSqlDump", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        self.claim = workload.claim(f"{name}-data", args.namespace, args.storage_class, SIZE, kept)
        workload.cron_job(name, args.namespace, SCHEDULE, 2, _pod(args, self.claim), child)
        self.register_outputs({})


def _pod(args: PostgreSqlDumpArgs, claim: pulumi.Input[str]) -> core.v1.PodSpecArgs:
    variables = {
        "PGHOST": args.host,
        "PGUSER": args.database,
        "PGDATABASE": args.database,
        "FOLDER": FOLDER,
        "KEPT": str(KEPT),
    }
    password = core.v1.EnvVarSourceArgs(secret_key_ref=core.v1.SecretKeySelectorArgs(name=args.secret, key="password"))
    container = core.v1.ContainerArgs(
        name="pg-dump",
        image=args.image,
        command=["sh", "-c", SCRIPT.read_text(encoding="utf-8")],
        env=[
            *(core.v1.EnvVarArgs(name=key, value=value) for key, value in variables.items()),
            core.v1.EnvVarArgs(name="PGPASSWORD", value_from=password),
        ],
        resources=workload.resources("50m", "64Mi", "512Mi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=workload.mounts({"dumps": FOLDER, "tmp": "/tmp"}),  # noqa: S108 - the pod's own
    )
    volumes = [workload.claimed_volume("dumps", claim), workload.scratch("tmp")]
    return workload.pod(args.uid, [container], volumes, restart_policy="Never")
