"""Bring sites up together: `python -m sites [SITE ...]`, all that have a stack file here if none is named.

A site waits for those that it needs: its backup server, whose outputs it reads, and the site that its zones are
delegated from. Sites that need nothing of each other come up side by side. One that fails stops no other, not even
those that need it: each comes up as far as it can, and says what it misses. Where something is removed or replaced,
a site's run ends with its first error.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TextIO

from pulumi import automation

from settings import Settings, SettingsError
from settings.stack import read_folder

ROOT = Path(__file__).resolve().parent
BEAT = 15.0
"""Seconds between two looks at what goes on, where there is no terminal."""
TAIL = 25
"""Lines of a failed site's output that are shown again at the end."""
ADDING = frozenset({"same", "create", "update", "read", "refresh", "import"})
"""Operations after which all that was there is there."""

Tell = Callable[[str], None]
"""Is given a line of a site's output."""
Run = Callable[[str, Tell], None]
"""Brings a site up. Raises a `SiteError`."""


class SiteError(Exception):
    """A site that did not come up; it has said why."""


@dataclass(frozen=True)
class Outcome:
    """How a site's run ended."""

    site: str
    seconds: float
    failed: bool
    tail: tuple[str, ...]
    """The last lines of its output."""


def needs(sites: Iterable[Settings]) -> dict[str, set[str]]:
    """Site -> the sites, among those given, that it waits for."""
    known = {each.site: each for each in sites}
    servers = {each.services.dns_address: each.site for each in known.values() if each.services}
    found = {site: {each.backup.stack} for site, each in known.items()}
    for site, each in known.items():
        if each.services and each.services.dns_parent:
            found[site].add(servers.get(each.services.dns_parent))
    return {site: {other for other in others if other in known} for site, others in found.items()}


class Board:
    """One view of all sites: a line for each on a terminal; elsewhere what has changed, and where they stand."""

    def __init__(self, sites: Sequence[str], stream: TextIO = sys.stderr) -> None:
        self._stream, self._terminal = stream, stream.isatty()
        self._width = max(map(len, sites))
        self._states = dict.fromkeys(sites, "waits")
        self._since: dict[str, float] = {}
        self._drawn = 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Board:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._terminal:
            self._draw()

    def start(self, site: str) -> None:
        with self._lock:
            self._since[site] = time.monotonic()
        self._set(site, "starts", news=True)

    def tell(self, site: str, line: str) -> None:
        """Show the latest line of a site's output."""
        if line.strip():
            self._set(site, " ".join(line.split()), news=False)

    def end(self, outcome: Outcome) -> None:
        with self._lock:
            del self._since[outcome.site]
        how = "failed" if outcome.failed else "is up"
        self._set(outcome.site, f"{how} after {outcome.seconds:.0f} s", news=True)

    def _set(self, site: str, state: str, *, news: bool) -> None:
        with self._lock:
            self._states[site] = state
            if news and not self._terminal:
                self._stream.write(f"{self._line(site)}\n")
                self._stream.flush()

    def _line(self, site: str) -> str:
        since = self._since.get(site)
        elapsed = "" if since is None else f"{time.monotonic() - since:.0f} s  "
        return f"{site:{self._width}}  {elapsed}{self._states[site]}"[:119]

    def _beat(self) -> None:
        while not self._ended.wait(0.5 if self._terminal else BEAT):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._terminal:
                up = f"\x1b[{self._drawn}A" if self._drawn else ""
                self._stream.write(up + "".join(f"\r\x1b[K{self._line(site)}\n" for site in self._states))
                self._drawn = len(self._states)
            else:
                self._stream.write("".join(f"{self._line(site)}\n" for site in self._since))
            self._stream.flush()


def run_all(order: Mapping[str, Iterable[str]], run: Run, jobs: int, board: Board) -> list[Outcome]:
    """Bring sites up.

    Args:
        order: Site -> those that it waits for.
        run: Brings one up.
        jobs: How many at the same time.
        board: Is told of all that goes on.

    Returns:
        The outcomes in the order in which the runs ended.

    Raises:
        SiteError: sites wait for each other.
    """
    sorter = TopologicalSorter(order)
    try:
        sorter.prepare()
    except CycleError as error:
        raise SiteError(f"these sites wait for each other: {' > '.join(error.args[1])}") from None
    outcomes: list[Outcome] = []
    running: set[Future[Outcome]] = set()
    with board, ThreadPoolExecutor(jobs) as pool:
        while sorter.is_active():
            running |= {pool.submit(_run, site, run, board) for site in sorter.get_ready()}
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                outcomes.append(future.result())
                sorter.done(outcomes[-1].site)
    return outcomes


def _run(site: str, run: Run, board: Board) -> Outcome:
    started, tail = time.monotonic(), deque[str](maxlen=TAIL)

    def tell(line: str) -> None:
        tail.append(line.rstrip("\n"))
        board.tell(site, line)

    failed = False
    board.start(site)
    try:
        run(site, tell)
    except SiteError as error:
        failed = True
        tail.append(str(error))
    outcome = Outcome(site, time.monotonic() - started, failed, tuple(tail))
    board.end(outcome)
    return outcome


def up(site: str, tell: Tell, folder: Path = ROOT) -> None:
    """Bring the stack of a site up, as far as it can be where nothing is removed.

    After an error, `--continue-on-error` still deletes what the program declares no longer, and spares only what the
    failed step itself depends on: a machine whose node was to be drained first, the old image of a build that failed.

    Args:
        site: The stack's name.
        tell: Is given what the engine prints.
        folder: Of the project.

    Raises:
        SiteError: there is no such stack, or the engine failed.
    """
    try:
        stack = automation.select_stack(site, work_dir=str(folder))
        # The SDK's `up` skips it, and what is protected would be refused once a node has left the cluster.
        changes = stack.preview(on_output=tell, on_error=tell, color="never").change_summary
        adds = {automation.OpType(operation).value for operation in changes} <= ADDING
        stack.up(on_output=tell, on_error=tell, color="never", continue_on_error=adds, show_secrets=False)
    except (FileNotFoundError, automation.InvalidVersionError) as error:
        raise SiteError(
            f"the engine cannot be used: {error}: install Pulumi (https://www.pulumi.com/docs/install/)"
        ) from None
    except automation.StackNotFoundError:
        raise SiteError(f"there is no stack {site}: pulumi stack init {site}") from None
    except automation.CommandError:  # Its text is what the engine has printed.
        raise SiteError(f"pulumi up of {site} failed") from None


def summary(outcomes: Sequence[Outcome]) -> str:
    """A line for each site, then the last lines of those that failed."""
    width = max(len(each.site) for each in outcomes)
    lines = [
        f"{each.site:{width}}  {'failed' if each.failed else 'up':6}  {each.seconds:6.0f} s"
        for each in sorted(outcomes, key=lambda each: each.site)
    ]
    for each in outcomes:
        if each.failed:
            lines += ["", f"{each.site}:", *(f"  {line}" for line in each.tail)]
    return "\n".join(lines)


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sites", description="Bring sites up together.")
    parser.add_argument("sites", nargs="*", metavar="SITE", help="stacks; all that have a stack file if none is named")
    parser.add_argument("--jobs", type=_jobs, default=os.cpu_count() or 1, help="how many at the same time")
    arguments = parser.parse_args()
    files = read_folder(ROOT)
    wanted = set(arguments.sites) or {name.removeprefix("Pulumi.").removesuffix(".yaml") for name in files}
    found = {name: files.get(f"Pulumi.{name}.yaml") for name in sorted(wanted)}
    wrong = [str(each) for each in found.values() if isinstance(each, SettingsError)]
    wrong += [f"there is no Pulumi.{name}.yaml" for name, each in found.items() if each is None]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    order = needs(each for each in found.values() if isinstance(each, Settings))
    try:
        outcomes = run_all(order, up, arguments.jobs, Board(sorted(order)))
    except SiteError as error:
        print(f"sites: {error}", file=sys.stderr)
        return 1
    print(summary(outcomes))
    return 1 if any(each.failed for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
