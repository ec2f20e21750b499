"""What is kept is worth something only if it comes back: the last time that it did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verify.checks import CheckFailed
from verify.cluster import Cluster
from verify.stack import Stack

RESTORE = "/apis/batch/v1/namespaces/authentik/cronjobs/authentik-postgresql-restore"
LONGEST = timedelta(days=8)
"""The job runs once a week."""


def restored(stack: Stack) -> str:
    """A dump of Authentik's database was restored, as a trial, not long ago.

    Raises:
        CheckFailed: the last good trial was too long ago, or there was none.
    """
    job = Cluster.of(stack).get(RESTORE)
    now, good = datetime.now(UTC), job.get("status", {}).get("lastSuccessfulTime")
    if good:
        if now - datetime.fromisoformat(good) > LONGEST:
            raise CheckFailed(f"the last dump that could be restored was tried at {good}: see the jobs of {_name(job)}")
        return f"a dump was restored at {good}"
    if now - datetime.fromisoformat(job["metadata"]["creationTimestamp"]) > LONGEST:
        raise CheckFailed(f"no dump could be restored yet: see the jobs of {_name(job)}")
    return "the first trial is not due yet"


def _name(job: dict[str, dict[str, str]]) -> str:
    return f"{job['metadata']['name']} in the namespace {job['metadata']['namespace']}"
