"""A lab of its own for the tests, with the real engine: another folder and block than a person's lab."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from lab.layout import REPOSITORY, Lab, Site
from lab.services.identity import started
from tests.lab.waiting import wait_for

BLOCK = 100
"""Of the first worker; each has a lab of its own."""
CLONE_BLOCK = 140
"""The same, of the labs whose stack files a test edits."""
INTERRUPTED = 60
"""Seconds that an interrupted command has to end."""


@dataclass
class LabUnderTest:
    """Runs the lab's commands as a person would, and remembers what they printed."""

    lab: Lab
    repository: Path = REPOSITORY
    """The clone whose program and stack files are used."""
    printed: list[str] = field(default_factory=list)
    arguments: set[str] = field(default_factory=set)
    """Arguments of every process that was seen while a command ran."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "OSS_NEXTGEN_LAB_HOME": str(self.lab.home),
            "OSS_NEXTGEN_LAB_BLOCK": str(self.lab.block),
        }

    def site(self, name: str) -> Site:
        return self.lab.site(name)

    def configure(self, site: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit the clone's stack file, as a person would.

        Args:
            site: The stack.
            change: Is given the values, keys without the project's namespace, and changes them in place.
        """
        assert self.repository != REPOSITORY, "the committed stack files stay as they are"
        file = self.repository / f"Pulumi.{site}.yaml"
        values = {key.partition(":")[2]: value for key, value in yaml.safe_load(file.read_text())["config"].items()}
        change(values)
        config = {f"oss-nextgen:{key}": value for key, value in values.items()}
        file.write_text(yaml.safe_dump({"config": config}, sort_keys=False))

    def start(self, command: str, site: str) -> subprocess.Popen[str]:
        """Start a command; `end` ends it if the test does not come to that."""
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", command, site],
            cwd=self.repository,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what failing tests have left at work: as Ctrl-C does, and with all that it runs if that takes long."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=INTERRUPTED)
                except subprocess.TimeoutExpired:
                    _kill(process)
            assert process.stdout is not None
            process.stdout.close()

    def kill_engine(self, site: str) -> None:
        """Kill the engine that works on the site, as soon as there is one."""
        file = self.site(site).services / "engine.json"

        def engine() -> int:
            with suppress(FileNotFoundError):
                record = json.loads(file.read_text())
                if started(record["pid"]) == record["started"]:
                    return int(record["pid"])
            return 0

        os.kill(wait_for(engine), signal.SIGKILL)

    def run(self, command: str, site: str, code: int = 0) -> str:
        """Run a command to its end, check its exit code, return what it printed."""
        done = threading.Event()
        watcher = threading.Thread(target=self._collect_arguments, args=(done,))
        watcher.start()
        process = self.start(command, site)
        try:
            printed, _ = process.communicate(timeout=900)
        finally:
            done.set()
            watcher.join()
        self.printed.append(printed)
        assert process.returncode == code, printed
        return printed

    def shell(self, site: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the environment that `make env` prints."""
        exports = subprocess.run(
            [sys.executable, "-m", "lab", "env", site],
            cwd=self.repository,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return subprocess.run(
            ["bash", "-c", f"{exports}\n{script}"], cwd=self.repository, capture_output=True, text=True, check=False
        )

    def kubectl(self, site: str, *arguments: str) -> str:
        """Run it as the administrator, beside the lab's commands, which refuse a site that another one works on."""
        command = [str(self.lab.home / "bin" / "kubectl"), "--kubeconfig", str(self.site(site).kubeconfig), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def outputs(self, site: str, flags: str = "") -> dict[str, Any]:
        """The stack's outputs."""
        result = self.shell(site, f"pulumi stack output --json {flags}")
        assert result.returncode == 0, result.stderr
        outputs: dict[str, Any] = json.loads(result.stdout)
        return outputs

    def _collect_arguments(self, done: threading.Event) -> None:
        while not done.is_set():
            for process in psutil.process_iter(["cmdline"]):
                self.arguments.update(process.info["cmdline"] or ())
            time.sleep(0.2)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LabUnderTest]:
    """A lab with nothing in it, ended at the end."""
    home = tmp_path_factory.mktemp("lab") / "home"
    under_test = LabUnderTest(Lab(home=home, block=BLOCK + _number(worker_id)))
    yield under_test
    under_test.end()
    under_test.run("down", "paris")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LabUnderTest]:
    """A lab with nothing in it, of a clone whose stack files a test may edit (`configure`)."""
    folder = tmp_path_factory.mktemp("clone")
    under_test = LabUnderTest(Lab(home=folder / "home", block=CLONE_BLOCK + _number(worker_id)), copy(folder / "clone"))
    yield under_test
    under_test.end()
    under_test.run("down", "paris")


@pytest.fixture(autouse=True)
def _nothing_at_work(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a failed test has left at work would fail the next one as well."""
    labs = [request.getfixturevalue(name) for name in ("lab", "clone") if name in request.fixturenames]
    yield
    for each in labs:
        each.end()


def copy(folder: Path) -> Path:
    """What a clone of this work tree would hold, in `folder`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and all that it has started, in sessions of their own too: the engine, Ansible."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _number(worker_id: str) -> int:
    return int(worker_id.removeprefix("gw")) if worker_id != "master" else 0


def git_status() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout


def private_files(root: Path) -> Iterator[Path]:
    """Files below `root` that only their owner may read."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o077 == 0:
            yield path
