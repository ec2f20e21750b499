"""`make bench`: the main job from nothing, a preview without changes beside that of an empty program, a large pool.

It runs in a lab of its own (another folder, another block of addresses) and removes it. Absolute
times say something about the machine; the ratio to the empty program, measured in turns, does not.
A third program says what of that ratio is the SDKs' own: it imports them, registers as many
resources, and knows no provider.
`lab/peers/` adds zones and certificates, beside octoDNS and certbot.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from lab import bench_pool, console
from lab.engine import EngineError
from lab.layout import REPOSITORY, Lab
from lab.session import open_session

BLOCK = 79
RUNS = 5
UP_GOAL = 90.0
"""Seconds, on 2 cores with a warm tool cache."""
RATIO_GOAL = 1.5
"""Preview without changes over the preview of an empty program."""
EMPTY = "import pulumi\n"
BARE = """\
import pulumi, pulumi_kubernetes, pulumi_proxmoxve, pulumi_random, pulumi_tls
from pulumi_command import remote
from pulumi_kubernetes import apps, core, helm, networking
used = remote.Command, apps.v1.StatefulSet, core.v1.Secret, helm.v3.Release, networking.v1.Ingress
for number in range({resources}):
    pulumi.ComponentResource("bench:index:Bare", f"bare-{{number}}")
"""
"""The SDKs that the program imports, and as many resources, none of which has a provider."""


def bench(_lab: Lab, site: str) -> None:
    """Print the figures and their goals."""
    with tempfile.TemporaryDirectory(prefix="oss-nextgen-bench-") as folder:
        lab = Lab(home=Path(folder) / "lab", block=BLOCK)
        os.environ.update(OSS_NEXTGEN_LAB_HOME=str(lab.home), OSS_NEXTGEN_LAB_BLOCK=str(BLOCK))
        command = [sys.executable, "-m", "lab"]
        try:
            from_nothing = _seconds([*command, "up", site])
            again = _seconds([*command, "up", site])
            env = {**os.environ, **open_session(lab, site).env}
            previews = _in_turns(env, Path(folder))
        finally:
            _seconds([*command, "down"])
        pool = bench_pool.rows(Path(folder) / "pool")
    ours, bare, empty = (statistics.median(times) for times in previews)
    console.table(
        f"bench of {site}, {os.cpu_count()} cores",
        ("figure", "median", "min to max", "goal"),
        [
            ("make up from nothing", f"{from_nothing:.1f} s", "one run", f"at most {UP_GOAL:.0f} s"),
            ("make up, nothing to change", f"{again:.1f} s", "one run", ""),
            ("preview without changes", *_spread(previews[0]), ""),
            ("preview of the SDKs and as many bare resources", *_spread(previews[1]), ""),
            ("preview of an empty program", *_spread(previews[2]), ""),
            (
                "ratio of the first preview to the last",
                f"{ours / empty:.2f}",
                f"{RUNS} runs in turns",
                f"at most {RATIO_GOAL}",
            ),
            ("of which the SDKs alone", f"{bare / empty:.2f}", "the same runs", ""),
            *pool,
        ],
    )
    _seconds([sys.executable, "-m", "lab.peers"])


def _in_turns(env: Mapping[str, str], folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each preview: of the site, of the bare resources, of the empty program."""
    elsewhere = {key: value for key, value in env.items() if key not in ("PULUMI_OPTION_CONFIG_FILE", "PULUMI_STACK")}
    exported = subprocess.check_output(["pulumi", "stack", "export"], cwd=REPOSITORY, env=env, text=True)
    resources = len(json.loads(exported)["deployment"]["resources"])
    bare = _project(folder / "bare", BARE.format(resources=resources), elsewhere)
    empty = _project(folder / "empty", EMPTY, elsewhere)
    times: tuple[list[float], list[float], list[float]] = [], [], []
    for _ in range(RUNS):
        times[0].append(_seconds(["pulumi", "preview", "--expect-no-changes"], REPOSITORY, env))
        times[1].append(_seconds(["pulumi", "preview"], bare, elsewhere))
        times[2].append(_seconds(["pulumi", "preview"], empty, elsewhere))
    return times


def _project(folder: Path, program: str, env: Mapping[str, str]) -> Path:
    """A project with a stack of its own and nothing deployed."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": folder.name, "runtime": "python"}))
    (folder / "__main__.py").write_text(program)
    _seconds(["pulumi", "stack", "init", "bench"], folder, env)
    return folder


def _seconds(argv: Sequence[str], cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None) -> float:
    quiet = argv[0] == "pulumi"
    start = time.monotonic()
    result = subprocess.run(argv, cwd=cwd, env=env, check=False, capture_output=quiet, text=True)
    seconds = time.monotonic() - start
    if result.returncode:
        raise EngineError(f"{' '.join(argv[:3])} failed{': ' + result.stdout + result.stderr if quiet else ''}")
    return seconds


def _spread(times: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(times):.2f} s", f"{min(times):.2f} to {max(times):.2f} s"
