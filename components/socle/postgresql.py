"""`PostgreSql`: a database of one application, on a volume of its own; as a file every night, and proof every week.

How to restore a dump is in docs/operating.md. The weekly trial's result is the job's own record: Kubernetes writes the
time of the last one that succeeded into the CronJob's status (`lastSuccessfulTime`), where `python -m verify` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_random as random
from pulumi_kubernetes import core

from components import workload

IMAGE = "docker.io/library/postgres:17.11-bookworm"
UID = 999
"""Of `postgres` in the image."""
PORT = 5432
DATA = "/var/lib/postgresql/data"
PASSWORD_FOLDER = "/run/secrets/postgresql"
TMP = {"tmp": "/tmp"}  # noqa: S108 - the pod's own

DUMPS = "/dumps"
DUMPS_SIZE = "8Gi"
DUMP_SCHEDULE = "17 2 * * *"
"""UTC. Longhorn's backups begin when it has ended (`settings.Storage`)."""
KEPT = 14
LEAST = 8
"""Of the dumps that stay where there is no room: the one that the last weekly trial restored is among them."""
RESTORE_SCHEDULE = "17 4 * * 0"
"""UTC, two hours after a dump."""
SCRATCH = "/scratch"


@dataclass(frozen=True)
class PostgreSqlArgs:
    """Inputs of a database."""

    namespace: pulumi.Input[str]
    storage_class: pulumi.Input[str]
    size: str
    """Of the volume, such as `8Gi`."""
    database: str
    """Its name, and its owner's."""
    protection: bool
    """Pulumi's `protect`, on the volume and on the password: the image sets the password only when it makes an empty
    volume's database, so that neither may be made anew without the other."""


class PostgreSql(pulumi.ComponentResource):
    """One PostgreSQL server, its Service, its volume, its nightly dumps and a weekly trial of one."""

    host: pulumi.Output[str]
    """Name of the Service; known once the server accepts connections."""
    password: pulumi.Output[str]
    """Secret."""

    def __init__(self, name: str, args: PostgreSqlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSql", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        self.password = random.RandomPassword(name, length=32, special=False, opts=kept).result
        metadata = workload.metadata(name, args.namespace)
        secret = core.v1.Secret(name, metadata=metadata, string_data={"password": self.password}, opts=child)
        claim = workload.claim(f"{name}-data", args.namespace, args.storage_class, args.size, kept)
        port = core.v1.ServicePortArgs(name="postgresql", port=PORT)
        service = workload.service(name, args.namespace, [port], child)
        pod = _pod(args.database, secret.metadata.name, claim)
        server = workload.stateful_set(name, args.namespace, pod, child)
        self.host = pulumi.Output.all(service.id, server.id).apply(lambda _: name)
        dump = PostgreSqlDumpArgs(
            namespace=args.namespace,
            storage_class=args.storage_class,
            host=self.host,
            database=args.database,
            secret=secret.metadata.name,
            protection=args.protection,
        )
        dumps = PostgreSqlDump(f"{name}-dump", dump, child)
        PostgreSqlRestore(f"{name}-restore", dumps, child)
        self.register_outputs({"host": self.host})


@dataclass(frozen=True)
class PostgreSqlDumpArgs:
    """Inputs of the dumps."""

    namespace: pulumi.Input[str]
    storage_class: pulumi.Input[str]
    host: pulumi.Input[str]
    database: str
    """Its name, and its owner's."""
    secret: pulumi.Input[str]
    """Name of the Secret whose `password` is the owner's."""
    protection: bool
    """Pulumi's `protect`, on the volume."""


class PostgreSqlDump(pulumi.ComponentResource):
    """A volume for dumps, and the job that writes one every night."""

    args: PostgreSqlDumpArgs
    claim: pulumi.Output[str]
    """Of the volume."""

    def __init__(self, name: str, args: PostgreSqlDumpArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSqlDump", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protection)
        self.args = args
        self.claim = workload.claim(f"{name}-data", args.namespace, args.storage_class, DUMPS_SIZE, kept)
        password = core.v1.SecretKeySelectorArgs(name=args.secret, key="password")
        variables = {
            "PGHOST": args.host,
            "PGUSER": args.database,
            "PGDATABASE": args.database,
            "FOLDER": DUMPS,
            "KEPT": str(KEPT),
            "LEAST": str(LEAST),
        }
        env = [
            *_variables(variables),
            core.v1.EnvVarArgs(name="PGPASSWORD", value_from=core.v1.EnvVarSourceArgs(secret_key_ref=password)),
        ]
        dumps = core.v1.VolumeMountArgs(name="dumps", mount_path=DUMPS)
        pod = _job_pod("dump", env, workload.resources("50m", "64Mi", "512Mi"), self.claim, dumps, TMP)
        workload.cron_job(name, args.namespace, DUMP_SCHEDULE, 2, pod, child)
        self.register_outputs({})


class PostgreSqlRestore(pulumi.ComponentResource):
    """A job that restores the newest dump into a scratch database every week."""

    def __init__(self, name: str, dumps: PostgreSqlDump, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss-nextgen:socle:PostgreSqlRestore", name, None, opts)
        child, database = pulumi.ResourceOptions(parent=self), dumps.args.database
        env = _variables({"PGUSER": database, "PGDATABASE": database, "FOLDER": DUMPS, "SCRATCH": SCRATCH})
        mount = core.v1.VolumeMountArgs(name="dumps", mount_path=DUMPS, read_only=True)
        scratch = {"scratch": SCRATCH, **TMP}
        pod = _job_pod("restore", env, workload.resources("50m", "128Mi", "1Gi"), dumps.claim, mount, scratch)
        workload.cron_job(name, dumps.args.namespace, RESTORE_SCHEDULE, 1, pod, child)
        self.register_outputs({})


def script(task: str) -> str:
    """What the pod of a task, `dump` or `restore`, runs."""
    return Path(__file__).with_name(f"postgresql-{task}.sh").read_text(encoding="utf-8")


def _variables(values: Mapping[str, pulumi.Input[str]]) -> list[core.v1.EnvVarArgs]:
    return [core.v1.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def _job_pod(
    task: str,
    env: Sequence[core.v1.EnvVarArgs],
    resources: core.v1.ResourceRequirementsArgs,
    claim: pulumi.Input[str],
    dumps: core.v1.VolumeMountArgs,
    scratch: Mapping[str, str],
) -> core.v1.PodSpecArgs:
    """Of the server's own image: the programs of another release might not understand what is dumped."""
    container = core.v1.ContainerArgs(
        name=f"pg-{task}",
        image=IMAGE,
        command=["sh", "-c", script(task)],
        env=env,
        resources=resources,
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=[dumps, *workload.mounts(scratch)],
    )
    volumes = [workload.claimed_volume("dumps", claim), *map(workload.scratch, scratch)]
    return workload.pod(UID, [container], volumes, restart_policy="Never")


def _pod(database: str, secret: pulumi.Input[str], claim: pulumi.Input[str]) -> core.v1.PodSpecArgs:
    volumes = [
        workload.claimed_volume("data", claim),
        workload.secret_volume("password", secret),
        workload.scratch("run"),
        workload.scratch("tmp"),
    ]
    # A checkpoint of a busy server takes its time.
    return workload.pod(UID, [_server(database)], volumes, termination_grace_period_seconds=120)


def _server(database: str) -> core.v1.ContainerArgs:
    environment = {
        "POSTGRES_DB": database,
        "POSTGRES_USER": database,
        "POSTGRES_PASSWORD_FILE": f"{PASSWORD_FOLDER}/password",
        # The volume's own top folder holds `lost+found`, which initdb refuses.
        "PGDATA": f"{DATA}/pgdata",
    }
    # Over TCP: while the image prepares the database, a temporary server answers on the Unix socket only.
    ask = core.v1.ExecActionArgs(command=["pg_isready", "-h", "127.0.0.1", "-U", database, "-d", database])
    return core.v1.ContainerArgs(
        name="postgresql",
        image=IMAGE,
        env=_variables(environment),
        ports=[core.v1.ContainerPortArgs(name="postgresql", container_port=PORT)],
        startup_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=5, failure_threshold=60),
        readiness_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=10, timeout_seconds=5),
        liveness_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=10, timeout_seconds=5, failure_threshold=6),
        resources=workload.resources("100m", "256Mi", "1Gi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=workload.mounts({"data": DATA, "password": PASSWORD_FOLDER, "run": "/var/run/postgresql", **TMP}),
    )
