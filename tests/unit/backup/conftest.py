"""A machine to make a backup server of, and the name server of a site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.kubernetes.machines import Machines, machines
from tests.unit.powerdns.server import Server, running, worker_host


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("guests"), ["storage"]) as site:
        yield site


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("primary"), worker_host(13)) as server:
        yield server
