"""What `make up`, `make preview` and the others do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from lab import console, environment
from lab.engine import EngineError
from lab.layout import REPOSITORY, Lab
from lab.services import catalog, network
from lab.session import Session, open_session, recover
from lab.stages import Stages
from lab.status import print_status
from lab.toolchain import Toolchain
from lab.toolchain.tools import FORMER_TOOLS, TOOLS

APPROVED = ("--yes", "--skip-preview")


def up(lab: Lab, site: str) -> None:
    """Bring the site up, then show each stage with its time, and the outputs."""
    session = open_session(lab, site)
    started = time.monotonic()
    with console.stage("pulumi up", streams=True):
        # At first, what does not depend on a failure is made all the same. Later, the engine would also delete what is
        # not declared any more, whatever had to come before that.
        further = ("--continue-on-error",) if session.engine.empty else ()
        stages = session.engine.run("up", "--stack", site, *APPROVED, *further)
    _summary(session, stages, time.monotonic() - started)


def preview(lab: Lab, site: str) -> None:
    """Show what `up` would do."""
    open_session(lab, site).engine.run("preview", "--stack", site)


def refresh(lab: Lab, site: str) -> None:
    """Read what is really there into the state."""
    open_session(lab, site).engine.run("refresh", "--stack", site, *APPROVED)


def destroy(lab: Lab, site: str) -> None:
    """Remove all that the site's stack made."""
    open_session(lab, site).engine.run("destroy", "--stack", site, *APPROVED)


def recovery(lab: Lab, site: str) -> None:
    """Run the product's recovery command by hand."""
    session = open_session(lab, site)
    recover(session.site, session.env)


def verify(lab: Lab, site: str) -> None:
    """Run the product's own check of the site, which trusts the lab's certificate authority of the internet."""
    session = open_session(lab, site)
    command = [sys.executable, "-m", "verify", site, "--ca", str(network.acme(lab).roots)]
    if subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **session.env}, check=False).returncode:
        raise EngineError(f"{site} is not as it should be: see above")


def diff(lab: Lab, site: str) -> None:
    """Run the product's command that prints the note of a merge request."""
    session = open_session(lab, site)
    command = [sys.executable, "-m", "ci", "diff", site]
    if subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **session.env}, check=False).returncode:
        raise EngineError(f"the preview of {site} failed: see above")


def env(lab: Lab, site: str) -> None:
    """Print `export` lines; progress goes to standard error."""
    print(environment.exports(open_session(lab, site).env))


def tools(_lab: Lab, _site: str) -> None:
    """Get every tool, those of the former cluster too, which tests upgrade. The first time takes minutes."""
    with console.stage("toolchain"):
        for manifest in (TOOLS, FORMER_TOOLS):
            Toolchain(manifest).ensure()


def status(lab: Lab, _site: str) -> None:
    """Show what runs, and what is official and what a stand-in."""
    print_status(lab)


def down(lab: Lab, _site: str) -> None:
    """End every process that this lab started. State stays."""
    for service in catalog.all_services(lab):
        if service.process() is not None:
            service.stop()
            console.line(f"{catalog.owner(service)}: {service.name} stopped")


def _summary(session: Session, stages: Stages, seconds: float) -> None:
    rows = [(*row[:2], f"{row[2]:.0f} s") for row in stages.rows()]
    if not rows:
        rows = [("no changes", 0, f"{seconds:.0f} s")]
    console.table(
        f"{session.site.name} is up", ("stage", "resources", "time"), [*rows, ("total", "", f"{seconds:.1f} s")]
    )
    outputs = session.engine.outputs()
    console.table("outputs", ("key", "value"), [(key, _shown(value)) for key, value in sorted(outputs.items())])
    console.line(f'By hand: eval "$(make -s env SITE={session.site.name})", then pulumi, kubectl and helm.')


def _shown(value: Any) -> str:
    """An output for a person: one line an item, certificates and their like by their size."""
    if isinstance(value, list):
        return "\n".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return "  ".join(f"{key}={_shown(item)}" for key, item in value.items())
    text = str(value)
    return text if "\n" not in text else f"({len(text)} characters)"
