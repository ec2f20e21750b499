"""The last good restore, as the API server tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.verify.test_cluster import Api
from tests.unit.verify.test_cluster import api as api
from tests.unit.verify.test_cluster import site as site
from verify import backups
from verify.checks import CheckFailed
from verify.stack import Stack


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(made: int, good: int | None) -> dict[str, dict[str, str]]:
    metadata = {"name": "restore", "namespace": "authentik", "creationTimestamp": ago(made)}
    return {"metadata": metadata, "status": {} if good is None else {"lastSuccessfulTime": ago(good)}}


@pytest.mark.parametrize(
    ("made", "good", "says"),
    [(40, 2, "a dump was restored at "), (2, None, "the first trial is not due yet")],
)
def test_what_is_well(api: Api, site: Callable[..., Stack], made: int, good: int | None, says: str) -> None:
    api.objects[backups.RESTORE] = job(made, good)
    assert backups.restored(site()).startswith(says)


@pytest.mark.parametrize(
    ("made", "good", "says"),
    [(40, 9, "the last dump that could be restored was tried at"), (9, None, "no dump could be restored yet")],
)
def test_what_is_not(api: Api, site: Callable[..., Stack], made: int, good: int | None, says: str) -> None:
    api.objects[backups.RESTORE] = job(made, good)
    with pytest.raises(CheckFailed, match=f"{says}.*jobs of restore in the namespace authentik"):
        backups.restored(site())
