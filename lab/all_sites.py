"""`make up SITE=all`: every site of the lab, in the order and with the view of the product's `sites`."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

import sites
from lab import console
from lab.engine import EngineError, is_marked
from lab.layout import REPOSITORY, SITES, Lab, Site
from lab.services import catalog
from lab.session import open_session
from settings import Settings

MIB = 1024 * 1024


def up(lab: Lab) -> None:
    """Bring every site up, each by the lab's own `up`, then show the time and memory of each.

    Raises:
        EngineError: a site failed.
    """
    for site in map(lab.site, SITES):
        if is_marked(site):
            # Its recovery starts the plugins anew, which the other runs use.
            open_session(lab, site.name)
    order = sites.needs(Settings.read(REPOSITORY / f"Pulumi.{name}.yaml") for name in SITES)
    outcomes = sites.run_all(order, _run, os.cpu_count() or 1, sites.Board(SITES))
    rows = [
        (each.site, "failed" if each.failed else "up", console.duration(each.seconds), f"{_memory(lab, each.site)} MiB")
        for each in outcomes
    ]
    shared = sum(_proportional(service.process()) for service in catalog.shared_services(lab)) // MIB
    rows.append(("all of them", "", "", f"{shared} MiB"))
    console.table("sites", ("site", "result", "time", "memory"), rows)
    failed = [each for each in outcomes if each.failed]
    for each in failed:
        console.line("\n".join(["", f"{each.site}:", *(f"  {line}" for line in each.tail)]))
    if failed:
        raise EngineError(f"{', '.join(each.site for each in failed)} did not come up: see above")


def _run(site: str, tell: sites.Tell) -> None:
    """Run the site's `up` as a process of its own; Ctrl-C reaches it as well."""
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "up", site],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tell(line)
    if process.returncode:
        raise sites.SiteError(f"make up SITE={site} ended with code {process.returncode}")


def _memory(lab: Lab, name: str) -> int:
    """What the site's own processes take, in MiB: Proxmox VE with its machines and all in them, the controllers."""
    site: Site = lab.site(name)
    return sum(_proportional(service.process()) for service in catalog.site_services(site)) // MIB


def _proportional(process: psutil.Process | None) -> int:
    """Bytes of a process and its descendants; what several share counts in parts (proc(5), Pss)."""
    total = 0
    for each in [process, *process.children(recursive=True)] if process else []:
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            rollup = Path(f"/proc/{each.pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total
