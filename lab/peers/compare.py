"""Both sides in turns, and what came of it: on the terminal, and in `docs/benchmarks.md`."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

from lab import bootstrap, console, environment
from lab.layout import CACHE, REPOSITORY, Lab
from lab.peers import certificates, servers, zones
from lab.toolchain import Toolchain

BLOCK = 78
PAIRS = {1_000: 15, 10_000: 5}
"""How often both zones are walked through, by the record sets beside the zone's own. What 1,000 cost is little beside
what any run takes, so it takes many to see it; and they are quick."""
RUNS = 5
"""Of the certificates."""
HALF = 0.5
"""Our share of a peer's time, at most."""
SCALING = 12.0
"""What ten times the record sets may cost, at most."""
TOOLS = (
    *("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"),
    *("pebble", "pdns_server"),
)
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
REPORT = REPOSITORY / "docs" / "benchmarks.md"
Turns = list[list[zones.Pair]]
"""For each turn, each of `zones.ROWS`."""
PREFACE = """\
# Zones and certificates beside octoDNS and certbot

Written by `make bench` (`python -m lab.peers` runs this part alone).

Both sides are whole processes, from the command to its end, on the same PowerDNS (LMDB) and the same Pebble, in
turns; each figure is the median of its runs. A zone's *own cost* is the time of a command less that of the same
command on a zone that holds nothing but SOA, NS and one address: without what it takes to start either program. The
two are run in pairs, one right after the other and either first in turn, so that what else the machine does meets
both; the own cost is the median of the pairs' differences, with their quartiles in brackets. There are
{pairs}; certificates are made {runs} times.

What differs: octoDNS reads the zone from the server at each run, `pulumi up` compares with its state (`pulumi
refresh` reads the server). Ours writes that state, encrypts secrets, and checks the zone's contents by rules that
octoDNS does not have. certbot is told to wait for no propagation; ours looks up the delegation and asks the zone's
server for the records before it answers. certbot makes its certificates in one run each, ours makes both in one,
side by side, with the account. Pebble's artificial pauses and refused nonces are off, for both.
"""


def compare(folder: Path) -> None:
    """Measure, print, and write the report. `folder` is an empty one, for all that the servers and stacks keep."""
    peers = _environment()
    lab = Lab(folder / "lab", BLOCK)
    lab.home.mkdir()
    env = {**os.environ, **environment.base(lab, [tool.path.parent for tool in Toolchain().ensure(TOOLS).values()])}
    lab.state.mkdir(mode=0o700)
    with servers.running(lab, env, certificates.ZONES) as both:
        for zone in certificates.ZONES:
            both.create_zone(zone)
        with console.stage("zones and certificates beside octoDNS and certbot"):
            costs = {size: _zones(both, folder / str(size), env, peers, size) for size in PAIRS}
            issued = _certificates(both, folder, env, peers)
    table = [*_zone_rows(costs), *_scaling_rows(costs), _row("two certificates", *issued, goal=True)]
    console.table(f"beside octoDNS and certbot, {_machine()[0]}", HEADER, table)
    console.line(f"own cost: median of the differences of pairs of runs, and their quartiles; {_pairs()}")
    REPORT.write_text(_report(table, peers))
    console.line(f"written to {REPORT.relative_to(REPOSITORY)}")


@dataclass(frozen=True)
class Cost:
    """What one command takes on a full zone, seconds."""

    empty: float
    """Median of the same on an empty one."""
    full: float
    """Median."""
    own: float
    """Median of the differences."""
    quartiles: tuple[float, float]
    """Of the differences."""

    @classmethod
    def of(cls, pairs: Sequence[zones.Pair]) -> Self:
        lower, own, upper = statistics.quantiles((pair.full - pair.empty for pair in pairs), n=4, method="inclusive")
        empty = statistics.median(pair.empty for pair in pairs)
        return cls(empty, statistics.median(pair.full for pair in pairs), own, (lower, upper))

    def __str__(self) -> str:
        lower, upper = self.quartiles
        return f"{self.own:.3f} s ({lower:.3f} to {upper:.3f})"


Costs = Mapping[int, tuple[Sequence[Cost], Sequence[Cost]]]
"""By size: ours and theirs, for each of `zones.ROWS`."""


def _environment() -> Path:
    """Folder with the peers' commands, in a virtual environment of their own."""
    folder = CACHE / "peers" / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    if not (folder / "bin" / "certbot").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.make(folder, REQUIREMENTS)
    return folder / "bin"


def _zones(
    both: servers.Servers, folder: Path, env: Mapping[str, str], peers: Path, size: int
) -> tuple[list[Cost], list[Cost]]:
    """Ours and theirs, in turns."""
    folder.mkdir()
    sides: Sequence[Sequence[zones.Zone]] = (
        [zones.Ours(both, folder, env, count) for count in (0, size)],
        [zones.Octodns(both, folder, peers / "octodns-sync", count) for count in (0, size)],
    )
    turns: tuple[Turns, Turns] = [], []
    for number in range(PAIRS[size]):
        for found, (empty, full) in zip(turns, sides, strict=True):
            found.append(zones.pairs(empty, full, empty_first=number % 2 == 0))
    ours, theirs = ([Cost.of(pairs) for pairs in zip(*found, strict=True)] for found in turns)
    return ours, theirs


def _certificates(both: servers.Servers, folder: Path, env: Mapping[str, str], peers: Path) -> tuple[float, float]:
    """Seconds, ours and theirs, in turns."""
    times: tuple[list[float], list[float]] = [], []
    for number in range(RUNS):
        run = folder / f"run-{number}"
        run.mkdir()
        times[0].append(certificates.ours(both, run, env))
        times[1].append(certificates.certbot(both, run, env, peers / "certbot"))
    return statistics.median(times[0]), statistics.median(times[1])


HEADER = ("figure", "ours", "peer", "ratio", "goal")
Row = tuple[str, str, str, str, str]


def _zone_rows(costs: Costs) -> list[Row]:
    rows = []
    for position, name in enumerate(zones.ROWS):
        empty = (side[position].empty for side in costs[min(PAIRS)])
        rows.append(_row(f"empty zone, {name}", *empty))
        for size, sides in costs.items():
            ours, theirs = (side[position] for side in sides)
            what, goal = f"{size:,} record sets, {name}", size == max(PAIRS)
            rows.append(_row(what, ours.full, theirs.full))
            ratio = ours.own / theirs.own
            rows.append((f"{what}: own cost", f"{ours}", f"{theirs}", f"{ratio:.2f}", _verdict(ratio, HALF, goal)))
    return rows


def _scaling_rows(costs: Costs) -> list[Row]:
    rows = []
    for position, name in enumerate(zones.ROWS):
        small, large = ([side[position].own for side in costs[size]] for size in PAIRS)
        # What costs nothing that shows says nothing of the ratio.
        ours, theirs = (many / few if few > 0 else math.inf for many, few in zip(large, small, strict=True))
        what = f"own cost of 10,000 over 1,000, {name}"
        rows.append((what, f"{ours:.1f}", f"{theirs:.1f}", "", _verdict(ours, SCALING)))
    return rows


def _row(name: str, ours: float, theirs: float, *, goal: bool = False) -> Row:
    ratio = ours / theirs
    return name, f"{ours:.2f} s", f"{theirs:.2f} s", f"{ratio:.2f}", _verdict(ratio, HALF, goal)


def _verdict(ratio: float, most: float, goal: bool = True) -> str:
    return f"at most {most:g}: {'met' if ratio <= most else 'MISSED'}" if goal else ""


def _pairs() -> str:
    return " and ".join(f"{number} pairs for {size:,} record sets" for size, number in PAIRS.items())


def _machine() -> tuple[str, str]:
    """Cores and kind of processor; the kernel and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return (
        f"{os.cpu_count()} cores of {model}",
        f"{platform.system()} {platform.machine()}, Python {sys.version.split()[0]}",
    )


def _versions(peers: Path) -> str:
    names = ("octodns", "octodns-powerdns", "certbot", "certbot-dns-powerdns")
    code = f"from importlib.metadata import version; print(*map(version, {names!r}))"
    found = subprocess.check_output([peers / "python", "-c", code], text=True).split()
    server = subprocess.run(["pdns_server", "--version"], capture_output=True, text=True, check=False)
    powerdns = re.findall(r"\d+\.\d+\.\d+", server.stdout + server.stderr)[0]
    others = ", ".join(f"{name} {number}" for name, number in zip(names, found, strict=True))
    return f"Pulumi {version('pulumi')}, PowerDNS {powerdns}; {others}"


def _report(table: Sequence[Row], peers: Path) -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in [HEADER, ("---",) * len(HEADER), *table])
    facts = "".join(f"- {fact}\n" for fact in (*_machine(), _versions(peers)))
    return f"{PREFACE.format(pairs=_pairs(), runs=RUNS)}\n## Machine\n\n{facts}\n## Figures\n\n{rows}"
