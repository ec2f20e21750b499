"""The real Pulumi engine on the lab: its stack and its runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from lab.files import write_private
from lab.layout import REPOSITORY, Site
from lab.services.identity import started
from lab.services.supervisor import Service, ServiceError
from lab.stages import Stages

PROJECT_FILE = REPOSITORY / "Pulumi.yaml"
WATCH = 0.5
"""Seconds between two looks at the services while the engine works."""


class EngineError(Exception):
    """The engine ended with an error; it has said why."""


class Engine:
    """Runs `pulumi` for one site."""

    def __init__(self, site: Site, env: Mapping[str, str], services: Sequence[Service]) -> None:
        self._site = site
        self._env = {**os.environ, **env}
        self._services = services
        self._record = _record(site)

    @property
    def exists(self) -> bool:
        """True if the site's stack exists."""
        return self._state.exists()

    @property
    def empty(self) -> bool:
        """True if the site's stack has no resource: nothing can be deleted."""
        latest = json.loads(self._state.read_text())["checkpoint"]["latest"] or {}
        return not latest.get("resources")

    @property
    def _state(self) -> Path:
        return self._site.lab.state / ".pulumi" / "stacks" / "oss-nextgen" / f"{self._site.name}.json"

    def encryption_salt(self) -> str:
        """The stack's salt; creates the stack at first.

        `pulumi stack init` writes the salt into the stack file beside Pulumi.yaml and knows no other
        place, so it runs in a scratch folder: the committed file stays as it is.
        """
        scratch = self._site.home / "project"
        stack_file = scratch / f"Pulumi.{self._site.name}.yaml"
        if not (self.exists and stack_file.exists()):
            scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._site.lab.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            project = yaml.safe_load(PROJECT_FILE.read_text()) | {"main": str(REPOSITORY)}
            (scratch / "Pulumi.yaml").write_text(yaml.safe_dump(project))
            stack_file.unlink(missing_ok=True)
            env = {key: value for key, value in self._env.items() if key != "PULUMI_OPTION_CONFIG_FILE"}
            self._check("stack", "init", self._site.name, cwd=scratch, env=env)
        return str(yaml.safe_load(stack_file.read_text())["encryptionsalt"])

    def set_secrets(self, values: Mapping[str, str]) -> None:
        """Store secrets in the lab's copy of the configuration, unless it holds those values already."""
        stored = json.loads(self._capture("config", "--json", "--show-secrets", check=False) or "{}")
        for key, value in values.items():
            if stored.get(key, {}).get("value") != value:
                self._check("config", "set", "--secret", key, stdin=value)

    def run(self, *args: str) -> Stages:
        """Run one engine command with its output shown, and watch the services meanwhile.

        Returns:
            What it did, by stage.

        Raises:
            EngineError: the engine failed.
            ServiceError: a service died; the engine is interrupted.
        """
        with Stages(self._site.home) as stages:
            code = self._run(["pulumi", *args, "--non-interactive", "--event-log", str(stages.path)])
        if code:
            raise EngineError(f"pulumi {args[0]} ended with code {code}")
        return stages

    def _run(self, argv: Sequence[str]) -> int:
        # A group of its own: what outlives a killed engine (the language host) can be ended by it.
        process = subprocess.Popen(
            argv,
            cwd=REPOSITORY,
            env={**self._env, "PULUMI_DEBUG_COMMANDS": "true"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        write_private(self._record, json.dumps({"pid": process.pid, "started": started(process.pid)}))
        try:
            self._watch(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait()
            if process.returncode == 0:
                self._record.unlink(missing_ok=True)
        return process.returncode

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        ended = False
        while not ended:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=WATCH)
                ended = True
            # After its end as well: an engine that lost a service may fail before anybody looks.
            for service in self._services:
                if service.died():
                    raise ServiceError(service.obituary())

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets masked."""
        outputs: dict[str, Any] = json.loads(self._capture("stack", "output", "--json"))
        return outputs

    def _check(
        self,
        *args: str,
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> None:
        result = subprocess.run(
            ["pulumi", *args, "--non-interactive"],
            cwd=cwd,
            env=env or self._env,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        if result.returncode:
            raise EngineError(f"pulumi {' '.join(args[:2])}: {result.stderr.strip()}")

    def _capture(self, *args: str, check: bool = True) -> str:
        result = subprocess.run(
            ["pulumi", *args], cwd=REPOSITORY, env=self._env, text=True, capture_output=True, check=False
        )
        if check and result.returncode:
            raise EngineError(f"pulumi {' '.join(args[:2])}: {result.stderr.strip()}")
        return result.stdout.rstrip("\n")


def was_cut_short(site: Site) -> bool:
    """True if the site's last run failed or was killed. Ends what outlives a killed one: language host, providers.

    Raises:
        EngineError: a run is under way.
    """
    path = _record(site)
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    if started(record["pid"]) == record["started"]:
        raise EngineError(f"another run works on {site.name} (pid {record['pid']}): wait for it or end it")
    # While a member of the session lives, its number is not given to another process.
    members = [process for process in psutil.process_iter() if _session(process) == record["pid"]]
    for process in (each for member in members for each in (member, *_children(member))):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    path.unlink()
    return True


def _session(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    """What a process has started, in sessions of their own too (Packer, Ansible)."""
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def is_marked(site: Site) -> bool:
    """True if the site's last run has not ended well, or is under way."""
    return _record(site).exists()


def _record(site: Site) -> Path:
    """Pid of the engine that works on the site, until a run of it ends well."""
    return site.services / "engine.json"
