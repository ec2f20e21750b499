"""The lab's background processes, and its reading of the engine's event log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.services.supervisor import Service, ServiceError
from lab.stages import Stages

FAMILY = """
import pathlib, subprocess, sys
child = subprocess.Popen(["sleep", "300"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
child.wait()
"""
"""A service with a child, whose pid it writes to its argument once it is up."""
LAST_WORDS = "import sys; print('first'); sys.exit('no such zone')"

Make = Callable[..., Service]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes services, which are ended after the test."""
    made: list[Service] = []

    def make(*arguments: str, ready: Callable[[], bool] = lambda: True, start_timeout: float = 20) -> Service:
        argv = [sys.executable, "-c", *arguments]
        made.append(Service("thing", argv, tmp_path / "home", ready, start_timeout=start_timeout))
        return made[-1]

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def family(make: Make, tmp_path: Path) -> tuple[Service, psutil.Process]:
    """A service that runs, and its child."""
    pid_file = tmp_path / "child"
    service = make(FAMILY, str(pid_file), ready=lambda: pid_file.exists() and pid_file.read_text() != "")
    assert service.start()
    return service, psutil.Process(int(pid_file.read_text()))


class TestService:
    def test_starts_once_and_waits_until_it_answers(self, family: tuple[Service, psutil.Process]) -> None:
        service, child = family

        process = service.process()

        assert process is not None
        assert child.ppid() == process.pid  # the answer came before start returned
        assert not service.start()
        assert service.process() == process
        assert not service.died()

    def test_ends_with_all_that_it_started(self, family: tuple[Service, psutil.Process]) -> None:
        service, child = family

        service.stop()

        assert service.process() is None
        assert not child.is_running()
        assert not service.died()
        assert not service.record.exists()

    def test_starts_again_when_it_is_to_be_started_otherwise(
        self, make: Make, family: tuple[Service, psutil.Process]
    ) -> None:
        former, child = family
        before = former.process()
        other = make("import time; time.sleep(300)")

        assert other.start()

        assert not child.is_running()
        assert other.process() not in (None, before)

    def test_a_service_that_dies_at_start_is_quoted(self, make: Make) -> None:
        service = make(LAST_WORDS, ready=lambda: False)

        with pytest.raises(ServiceError) as caught:
            service.start()

        assert str(caught.value).startswith("thing died.")
        assert str(service.log) in str(caught.value)
        assert str(caught.value).endswith("  first\n  no such zone")
        assert service.died()

    def test_a_service_that_never_answers_is_ended(self, make: Make) -> None:
        service = make("import time; time.sleep(300)", ready=lambda: False, start_timeout=0.1)

        with pytest.raises(ServiceError, match="did not answer within 0 s"):
            service.start()

        assert service.process() is None

    def test_a_service_that_was_killed_has_died(self, family: tuple[Service, psutil.Process]) -> None:
        service, child = family
        process = service.process()
        assert process is not None

        process.kill()
        psutil.wait_procs([process], timeout=10)
        child.kill()

        assert service.died()
        assert service.process() is None

    def test_a_recycled_pid_is_not_taken_for_it(self, family: tuple[Service, psutil.Process]) -> None:
        service, child = family
        record = json.loads(service.record.read_text())
        with subprocess.Popen(["sleep", "300"]) as stranger:
            service.record.write_text(json.dumps({**record, "pid": stranger.pid}))

            assert service.process() is None
            assert service.died()
            service.stop()

            assert stranger.poll() is None
            stranger.terminate()
        psutil.Process(record["pid"]).kill()
        child.kill()


def event(kind: str, operation: str, types: str, name: str) -> str:
    metadata = {"op": operation, "urn": f"urn:pulumi:paris::oss-nextgen::{types}::{name}"}
    return json.dumps({kind: {"metadata": metadata}}) + "\n"


class TestStages:
    COMPONENT = "oss-nextgen:socle:Socle"

    def read(self, folder: Path, *lines: str) -> list[tuple[str, int, float]]:
        """The rows of a run whose engine wrote these lines."""
        with Stages(folder) as stages:
            engine = threading.Thread(target=stages.path.write_text, args=("".join(lines),))
            engine.start()
            engine.join(10)
            assert not engine.is_alive()
        assert not stages.path.exists()
        return stages.rows()

    def test_resources_count_under_their_component(self, tmp_path: Path) -> None:
        release = f"{self.COMPONENT}$kubernetes:helm.sh/v3:Release"
        rows = self.read(
            tmp_path,
            event("resourcePreEvent", "create", self.COMPONENT, "socle"),
            event("resourcePreEvent", "create", release, "metallb"),
            event("resourcePreEvent", "create", release, "longhorn"),
            event("resOutputsEvent", "create", release, "metallb"),
            event("resourcePreEvent", "update", "random:index/randomPassword:RandomPassword", "root"),
            json.dumps({"diagnosticEvent": {"message": "hello"}}) + "\n",
        )

        assert [(stage, changed) for stage, changed, _ in rows] == [("Socle", 2), ("RandomPassword", 1)]
        assert all(seconds >= 0 for _, _, seconds in rows)

    def test_what_did_not_change_is_no_stage(self, tmp_path: Path) -> None:
        secret = f"{self.COMPONENT}$kubernetes:core/v1:Secret"
        lines = [event("resourcePreEvent", operation, secret, "tls") for operation in ("same", "read")]

        assert self.read(tmp_path, *lines) == []

    def test_half_a_line_of_a_killed_engine_is_left_out(self, tmp_path: Path) -> None:
        whole = event("resourcePreEvent", "create", "tls:index/privateKey:PrivateKey", "key")

        assert [row[:2] for row in self.read(tmp_path, whole, whole[:40])] == [("PrivateKey", 1)]

    def test_an_engine_that_failed_early_leaves_no_reader(self, tmp_path: Path) -> None:
        threads = threading.active_count()

        with Stages(tmp_path) as stages:
            assert stages.path.is_fifo()
            assert stages.path.stat().st_mode & 0o077 == 0
            subprocess.run(["true"], check=True)  # as an engine that never opens the pipe

        assert stages.rows() == []
        assert threading.active_count() <= threads
