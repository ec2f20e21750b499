"""Runs jobs of `.gitlab-ci.yml` on the lab: their own script lines, in its environment, with the variables of a job."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import policies
from lab.layout import REPOSITORY
from lab.services import network
from tests.lab.conftest import LabUnderTest

FILE = REPOSITORY / ".gitlab-ci.yml"


def script(name: str) -> list[str]:
    """The script lines of a job, its own or those that it extends."""
    jobs: dict[str, Any] = yaml.safe_load(FILE.read_text())
    job = jobs[name]
    if "script" in job:
        return list(job["script"])
    extended = job["extends"]
    return script(extended if isinstance(extended, str) else extended[0])


@dataclass
class Pipeline:
    """The jobs of one pipeline after another, and what they printed."""

    lab: LabUnderTest
    site: str
    variables: Mapping[str, str]
    """What GitLab sets."""
    logs: list[str] = field(default_factory=list)

    @property
    def previews(self) -> Path:
        """What jobs hand on to each other: the artifacts."""
        return self.lab.repository / "previews"

    def run(self, name: str, code: int = 0, /, **variables: str) -> str:
        """Run a job, check its exit code, return its log."""
        pack = policies.publish(self.lab.lab)
        settings = {"SITE": self.site, **self.variables, **pack, **self._trust(), **variables}
        exports = [f"export {key}={shlex.quote(value)}" for key, value in settings.items()]
        exports.append(f"export PATH=$PATH:{pack['PULUMI_OPTION_POLICY_PACK']}/bin")
        done = self.lab.shell(self.site, "\n".join([*exports, "set -e", *script(name)]))
        self.logs.append(done.stdout + done.stderr)
        assert done.returncode == code, self.logs[-1]
        return self.logs[-1]

    def _trust(self) -> dict[str, str]:
        """A runner trusts the public authority, too, whose part Pebble plays."""
        home = self.lab.lab.home
        bundle = home / "runner.pem"
        bundle.write_text((home / "ca-bundle.pem").read_text() + network.acme(self.lab.lab).roots.read_text())
        return dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(bundle))
