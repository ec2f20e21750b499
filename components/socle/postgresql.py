"""`PostgreSql`: a database of one application, on a volume of its own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_kubernetes import core

from components import workload
from components.socle.postgresql_dump import PostgreSqlDump, PostgreSqlDumpArgs
from components.socle.postgresql_restore import PostgreSqlRestore, PostgreSqlRestoreArgs

IMAGE = "docker.io/library/postgres:17.11-bookworm"
UID = 999
"""Of `postgres` in the image."""
PORT = 5432
DATA = "/var/lib/postgresql/data"
PASSWORD_FOLDER = "/run/secrets/postgresql"


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
            image=IMAGE,
            uid=UID,
            host=self.host,
            database=args.database,
            secret=secret.metadata.name,
            protection=args.protection,
        )
        dumps = PostgreSqlDump(f"{name}-dump", dump, child)
        PostgreSqlRestore(f"{name}-restore", PostgreSqlRestoreArgs(dump, dumps.claim), child)
        self.register_outputs({"host": self.host})


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
        env=[core.v1.EnvVarArgs(name=key, value=value) for key, value in environment.items()],
        ports=[core.v1.ContainerPortArgs(name="postgresql", container_port=PORT)],
        startup_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=5, failure_threshold=60),
        readiness_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=10, timeout_seconds=5),
        liveness_probe=core.v1.ProbeArgs(exec_=ask, period_seconds=10, timeout_seconds=5, failure_threshold=6),
        resources=workload.resources("100m", "256Mi", "1Gi"),
        security_context=workload.CONTAINER_SECURITY,
        volume_mounts=workload.mounts(
            {"data": DATA, "password": PASSWORD_FOLDER, "run": "/var/run/postgresql", "tmp": "/tmp"}  # noqa: S108 - the pod's own
        ),
    )
