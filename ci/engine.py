"""Running the engine for a pipeline. What it prints is kept without secrets, whatever becomes of the run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from ci import brake, events
from ci.changes import ChangeSet
from ci.scrub import Scrubber
from components import engine
from components.engine import EngineError as EngineError
from settings import Settings

CHUNK: Final = 65536
"""Bytes, as many as a pipe holds."""
PAUSE: Final = 10.0
"""Seconds between two looks at what a run has made."""


@dataclass(frozen=True)
class Stack:
    """One stack, as far as a pipeline has to know it."""

    site: str
    existing: Mapping[str, int]
    """How many things of each kind that the brake limits it has."""
    state: str
    """Digest of all that it has: the same as long as no run has changed anything."""
    scrubber: Scrubber = field(repr=False)

    @classmethod
    def open(cls, site: str) -> Self:
        """Read the stack's state and configuration.

        Raises:
            EngineError: the engine refused: no access to the backend, no such stack, a wrong passphrase.
        """
        deployment = export(site, show_secrets=True)["deployment"]
        with _scrubbed():
            config = json.loads(engine.run("config", "--json", "--show-secrets", "--stack", site))
        resources = deployment.get("resources") or []
        return cls(site, brake.totals(resources), _digest(resources), Scrubber(deployment, config, os.environ))

    def run(self, *arguments: str) -> tuple[dict[str, Any], int]:
        """Run the engine with `--json`.

        Returns:
            What it printed, without secrets, and its exit code. Where it printed no JSON, its words are a diagnostic.
        """
        return self._read(json.loads, *arguments)

    def look(self) -> tuple[dict[str, Any], int]:
        """Run a refresh that writes nothing. Returns what `run` does, with all that differs (see `events`)."""
        arguments = ("refresh", "--preview-only", "--color", "never")
        return self._read(events.digest, *arguments, PULUMI_ENABLE_STREAMING_JSON_PREVIEW="true")

    def _read(self, parse: Callable[[str], Any], *arguments: str, **variables: str) -> tuple[dict[str, Any], int]:
        done = engine.call(*arguments, "--json", "--stack", self.site, variables=variables)
        try:
            printed = parse(done.stdout)
        except ValueError:
            printed = _failed(done.stderr or done.stdout)
        return self.scrubber.value(printed), done.returncode

    def violations(self) -> str:
        """The policies that a preview violates, in the engine's words; empty for none."""
        printed = engine.call("preview", "--color", "never", "--stack", self.site).stdout
        found = re.search(r"^Policies:\n(.*?)(?=^\S|\Z)", printed, re.MULTILINE | re.DOTALL)
        return self.scrubber.text(textwrap.dedent(found[1]).strip()) if found else ""

    def show(self, *arguments: str) -> int:
        """Run the engine and show what it prints, without secrets, some seconds late. Returns its exit code.

        A run makes secrets: what it has printed is shown once the state has been read after that. The engine saves
        what a resource has made before anything that depends on it goes on, so that nobody else can print it unknown.
        One gap is left: what the provider of a secret itself prints while it makes it, as in the error of a creation
        that failed, whose secret is in no state.

        Raises:
            EngineError: the state could not be read in the end; what was not shown until then is not shown.
        """
        command, held = ["pulumi", *arguments, "--non-interactive", "--stack", self.site], b""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            while more := os.read(process.stdout.fileno(), CHUNK):
                held += more
                with suppress(EngineError):
                    held = self._show_lines(held)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PAUSE)
        if held:
            self._show_lines(held.removesuffix(b"\n") + b"\n")
        return process.returncode

    def _show_lines(self, printed: bytes) -> bytes:
        """Show whole lines. Returns what is left."""
        lines, end, left = printed.rpartition(b"\n")
        known = Stack.open(self.site).scrubber
        # What the run has replaced is not in the state any more.
        text = self.scrubber.text((lines + end).decode(errors="replace"))
        print(known.text(text), end="", flush=True)
        return left


@dataclass(frozen=True)
class Record:
    """What is kept of one preview: the artifact of its job."""

    site: str
    preview: Mapping[str, Any] = field(default_factory=dict)
    """What the engine printed, without secrets."""
    refused: tuple[str, ...] = ()
    """What the brake refuses of it."""
    skipped: bool = False
    """Whether there was none, because nothing that the site is made from has changed."""
    state: str = ""
    """`Stack.state` that it started from."""

    @property
    def changes(self) -> ChangeSet:
        """What it says.

        Raises:
            PreviewError: it holds an operation that is not known.
        """
        return replace(ChangeSet.of(self.site, self.preview), refused=self.refused, skipped=self.skipped)

    def write(self, folder: Path) -> None:
        """Write it as `<site>.json`."""
        folder.mkdir(exist_ok=True)
        (folder / f"{self.site}.json").write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote."""
        values = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{**values, "refused": tuple(values["refused"])})


def export(site: str, *, show_secrets: bool = False) -> dict[str, Any]:
    """`components.engine.export`, whose error is without the pipeline's secrets."""
    with _scrubbed():
        return engine.export(site, show_secrets=show_secrets)


def preview(site: str, plan: Path | None = None) -> Record:
    """Preview a site. What goes wrong is part of the record: reviewers read it in the note.

    Args:
        site: The stack.
        plan: Where to save an update plan, which `up` then keeps to.
    """
    try:
        stack = Stack.open(site)
    except EngineError as error:
        return Record(site, _failed(str(error)))
    planned = [f"--save-plan={plan}"] if plan else []
    printed, code = stack.run("preview", *planned)
    changes = ChangeSet.of(site, printed)
    if code or changes.errors:
        return Record(
            site, printed if _says_why(changes) else _failed(stack.violations() or f"it ended with code {code}")
        )
    refused = tuple(brake.refusals(changes, stack.existing, settings(site).change_control))
    return Record(site, printed, refused, state=stack.state)


def _says_why(changes: ChangeSet) -> bool:
    # With --json the engine keeps to itself which policies are violated.
    return bool(set(changes.errors) - {"preview failed"})


def _failed(message: str) -> dict[str, Any]:
    # Of many violations each is a message of its own, so that none is cut off.
    messages = re.split(r"\n(?=\s*- \[)", message)
    return {"diagnostics": [{"severity": "error", "message": text} for text in messages]}


def settings(site: str) -> Settings:
    """The settings of a site that the engine has just accepted."""
    return Settings.read(engine.stack_file(site))


def _digest(resources: Iterable[Mapping[str, Any]]) -> str:
    times = ("created", "modified")  # A refresh that finds nothing may set them.
    lasting = [{key: value for key, value in each.items() if key not in times} for each in resources]
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


@contextmanager
def _scrubbed() -> Iterator[None]:
    """What the engine says of a failure is without the pipeline's secrets."""
    try:
        yield
    except EngineError as error:
        raise EngineError(Scrubber({}, {}, os.environ).text(str(error))) from None
