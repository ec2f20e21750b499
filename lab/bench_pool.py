"""How well a pool's clones fill the time: 24 machines on 3 Proxmox nodes, by the real program and engine.

A copy of the project, with a stack file of its own, on a lab of its own. Each clone takes `CLONE_SECONDS`; if nothing
else took time and each node made one after the other, all would take `IDEAL`. What is measured is the time from the
first clone that the program asks for to the last machine's boot, by the log of the lab's Proxmox VE.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from lab.engine import EngineError
from lab.layout import REPOSITORY, Lab
from lab.proxmox.faults import FaultFile, Faults

BLOCK = 80
SITE = "backup"
MACHINES, NODES = 24, ("pve-bak-1", "pve-bak-2", "pve-bak-3")
CLONE_SECONDS = 3.0
IDEAL = MACHINES / len(NODES) * CLONE_SECONDS
GOAL = 1.15
"""Wall time over `IDEAL`."""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__")
"""Of the copy; stack files and modules have no such names."""


def rows(folder: Path) -> list[tuple[str, str, str, str]]:
    """Measure, and return the lines of the bench's table.

    Args:
        folder: An empty folder, removed by the caller.

    Raises:
        EngineError: the site did not come up.
    """
    seconds = _measure(folder)
    title = f"{MACHINES} VMs on {len(NODES)} Proxmox nodes"
    return [
        (title, f"{seconds:.1f} s", "one run", f"ideal: {IDEAL:.0f} s"),
        (f"ratio to clones of {CLONE_SECONDS:.0f} s alone", f"{seconds / IDEAL:.2f}", "one run", f"at most {GOAL}"),
    ]


def _measure(folder: Path) -> float:
    project, lab = folder / "project", Lab(home=folder / "lab", block=BLOCK)
    shutil.copytree(REPOSITORY, project, ignore=LEFT_OUT)
    (project / ".venv").symlink_to(sys.prefix)
    _write_stack_file(project / f"Pulumi.{SITE}.yaml")
    site = lab.site(SITE)
    FaultFile(site.home / "proxmox").write(Faults(seconds={"qmclone": CLONE_SECONDS}))
    env = {**os.environ, "OSS_NEXTGEN_LAB_HOME": str(lab.home), "OSS_NEXTGEN_LAB_BLOCK": str(BLOCK)}
    command = [sys.executable, "-m", "lab"]
    try:
        if subprocess.run([*command, "up", SITE], cwd=project, env=env, check=False).returncode:
            raise EngineError(f"the site with {MACHINES} machines did not come up: see above")
        return _seconds((site.services / "proxmox.log").read_text())
    finally:
        subprocess.run([*command, "down"], cwd=project, env=env, check=True)


def _write_stack_file(path: Path) -> None:
    """The backup site with more nodes and machines, on a storage that the nodes share."""
    document = yaml.safe_load(path.read_text())
    config = document["config"]
    config["oss-nextgen:proxmox"] |= {"nodes": list(NODES), "diskStorage": "ceph"}
    config["oss-nextgen:network"]["dhcp"]["last"] = "10.75.20.199"
    # They serve nobody: a backup server is one machine.
    config.pop("oss-nextgen:backupServer")
    for other in set(path.parent.glob("Pulumi.*.yaml")) - {path}:
        served = yaml.safe_load(other.read_text())
        served["config"].pop("oss-nextgen:backup", None)
        other.write_text(yaml.safe_dump(served))
    config["oss-nextgen:pools"] = [{"name": "storage", "role": "storage", "count": MACHINES, "vmIdOffset": 101}]
    path.write_text(yaml.safe_dump(document))


def _seconds(log: str) -> float:
    """From the first clone asked for to the last boot; a line starts with its time, `2026-11-25 15:05:02,129`."""
    times = re.findall(r"^(\S+ \S+) (?:POST \S+/clone by|VM \d+ \S+ booted) ", log, re.MULTILINE)
    clones = re.findall(r"^(\S+ \S+) POST \S+/clone by ", log, re.MULTILINE)
    first, last = (
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC) for text in (clones[0], times[-1])
    )
    return (last - first).total_seconds()
