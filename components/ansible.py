"""Ansible, in a virtual environment of its own and a private folder that goes away with the run.

Kubespray accepts one minor release of ansible-core only, so it never shares the program's environment. That one lives
in the per-user cache, keyed by what it is made from, so that it is made once per machine, by whoever comes first.

The inventory and the SSH key are written to the private folder, and to nowhere else. The full output is not kept: it
may hold secrets.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.cache import cache, once
from components.process import CommandError, run, show

QUIET = 10.0
"""Seconds between two progress lines, plays excepted: a real run may have more than a thousand tasks."""
HEADINGS = ("PLAY [", "TASK [", "RUNNING HANDLER [")
FAILURE = re.compile(
    r"^(?:fatal|failed): \[(?P<host>[^\] ]+).*?(?P<kind>FAILED!|UNREACHABLE!|\(item=.*\)) => (?P<result>.*)$"
)

RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+unreachable=\d+\s+failed=(?P<failed>\d+)"
)
KUBESPRAY = Path(__file__).resolve().parents[1] / "kubespray"
REQUIREMENTS = KUBESPRAY / "requirements.txt"
"""Hashed lock of what Kubespray's release needs."""
IDENTITY = KUBESPRAY / "identity.yml"
"""Checks that each machine is the one that the inventory says; to be run before any other."""
WORKSPACES = Path("/tmp")  # noqa: S108 - each one is a private folder of a name that nobody can foresee
"""Whatever TMPDIR says: the path of an SSH control socket may have 104 bytes."""


class ToolboxError(Exception):
    """Kubespray or Ansible cannot be had. Says what to do."""


class PlaybookError(Exception):
    """A playbook that failed: names the hosts, the tasks and what they said."""


@contextmanager
def workspace(target: str, inventory: Mapping[str, Any], private_key: str) -> Iterator[Path]:
    """A private folder with the inventory and the key, removed at the end.

    Args:
        target: What is worked on, as for `alone`.
        inventory: Content of `inventory/hosts.yaml`; the place for secrets, as variables.
        private_key: OpenSSH format.
    """
    with tempfile.TemporaryDirectory(prefix=_prefix(target), dir=WORKSPACES) as name:
        folder = Path(name)
        hosts = folder / "inventory" / "hosts.yaml"
        hosts.parent.mkdir()
        hosts.write_text(yaml.safe_dump(inventory, sort_keys=False))
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(private_key if private_key.endswith("\n") else f"{private_key}\n")
        try:
            yield folder
        finally:
            _close_connections(folder)


@contextmanager
def alone(target: str) -> Iterator[int]:
    """Keep other runs of this machine away from what a playbook works on; a descriptor for `play` to hold.

    The engine may be killed while Ansible goes on working. So Ansible itself holds the lock, and the next
    run waits until it has ended; then it removes the workspace, and the key in it, that was left behind.

    Args:
        target: Names it: an address.
    """
    folder = cache() / "runs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{target}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show("ansible: a run that was cut short still works on it; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in WORKSPACES.glob(f"{_prefix(target)}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield lock.fileno()


def interpreter() -> Path:
    """The interpreter of Ansible's virtual environment; run `<it> -m ansible playbook`.

    Raises:
        ToolboxError: the packages cannot be installed.
    """

    def install(folder: Path) -> None:
        show("ansible: installing into its own virtual environment (about a minute, once per machine)")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        run("python -m venv", [sys.executable, "-m", "venv", str(folder)], cwd=folder, env={})
        argv = [*pip, "--quiet", "--require-hashes", "--only-binary=:all:", "--requirement", str(REQUIREMENTS)]
        run("pip install", argv, cwd=folder, env={})
        show("ansible: installed")

    # An environment belongs to the interpreter that made it.
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    try:
        return once(cache() / "ansible" / key, install) / "bin" / "python"
    except CommandError as error:
        raise ToolboxError(
            f"Ansible cannot be installed from {REQUIREMENTS.name}. Check that pip reaches its package index.\n{error}"
        ) from None


def play(
    playbook: str | Path, project: Path, folder: Path, arguments: Sequence[str] = (), *, lock: int | None = None
) -> str:
    """Run a playbook against a `workspace`.

    Args:
        playbook: Absolute, or relative to `project`.
        project: Folder with `ansible.cfg` and what that names.
        folder: The workspace.
        arguments: More for the command line; no secrets.
        lock: Descriptor that Ansible keeps open (see `alone`).

    Returns:
        Ansible's recap: a table of the hosts with their numbers of tasks.

    Raises:
        ToolboxError: Ansible cannot be installed.
        PlaybookError: a host failed or was unreachable, or Ansible could not start.
    """
    name = Path(playbook).name
    report = Report(name)
    # Isolated: neither the project nor this process's PYTHONPATH is a place to import from.
    ansible = [str(interpreter()), "-I", "-m", "ansible", "playbook"]
    inventory = str(folder / "inventory" / "hosts.yaml")
    argv = [*ansible, "--become", "--inventory", inventory, *arguments, str(playbook)]
    env = {**environment(folder), "ANSIBLE_CONFIG": str(project / "ansible.cfg")}
    try:
        run(name, argv, cwd=project, env=env, progress=report.line, keep=[] if lock is None else [lock])
    except CommandError as error:
        raise PlaybookError(report.failure(error)) from None
    return report.recap()


def environment(folder: Path) -> dict[str, str]:
    """Ansible's settings for one run; they win over any `ansible.cfg`.

    Nothing is shared with other runs: Kubespray's own configuration would keep facts in `/tmp` for
    a day, where those of a machine's predecessor outlive it.
    """
    ssh = {
        # The machines made their host keys at first boot, minutes ago, so there is nothing to compare
        # them with. They are accepted when first seen, and must not change during the run.
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": str(folder / "known_hosts"),
        "IdentitiesOnly": "yes",
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        # A machine may still be rebooting.
        "ConnectionAttempts": "3",
        "LogLevel": "ERROR",
    }
    return {
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
        "ANSIBLE_PRIVATE_KEY_FILE": str(folder / "key"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": " ".join(f"-o {name}={value}" for name, value in ssh.items()),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(_control_sockets(folder)),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": "20",
        # A machine's journal would have every module's arguments, secrets among them.
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_CALLBACKS_ENABLED": "",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOLOR": "True",
        # Ansible refuses to start in a locale that is not UTF-8, such as a CI runner's.
        "LC_ALL": "C.UTF-8",
    }


def digest(folder: Path) -> str:
    """Of all files of a folder: another one is another run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"\0".join(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:12]


class Report:
    """Reads Ansible's output: condenses it to progress, and remembers what failed."""

    def __init__(self, playbook: str) -> None:
        self._playbook = playbook
        self._start = self._shown = time.monotonic()
        self._task = ""
        self._failures: list[str] = []
        self._open: list[str] = []
        """Failures of the current task, which Ansible may yet say that it ignores."""
        self._recap: list[tuple[str, ...]] = []

    def line(self, line: str) -> str | None:
        """What to show for one line of output, if anything."""
        if line.startswith(HEADINGS):
            self._failures += self._open
            self._open = []
            self._task = line.partition("[")[2].rpartition("]")[0]
            return self._progress(always=line.startswith("PLAY ["))
        if failure := FAILURE.match(line):
            found = self._failures if failure["kind"] == "UNREACHABLE!" else self._open
            found.append(f"{failure['host']}: {self._task}: {_message(failure['result'])}")
        elif line == "...ignoring":
            # Of a loop, each item that failed was a line.
            self._open = []
        elif counts := RECAP.match(line):
            self._recap.append(counts.group("host", "ok", "changed", "failed"))
        return None

    def recap(self) -> str:
        """What was done on each host, as a table."""
        rows = [(self._playbook, "ok", "changed", "failed"), *self._recap]
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:<{width}}  {row[1]:>4}  {row[2]:>7}  {row[3]:>6}" for row in rows)

    def failure(self, error: CommandError) -> str:
        """The message of a run that failed."""
        failures = self._failures + self._open
        return "\n".join([f"{self._playbook} failed:", *failures]) if failures else str(error)

    def _progress(self, always: bool) -> str | None:
        now = time.monotonic()
        # Ansible names the remaining plays even when no host is left for them.
        if self._failures or (not always and now - self._shown < QUIET):
            return None
        self._shown = now
        return f"{self._playbook}: {now - self._start:.0f} s: {self._task}"


def _message(result: str) -> str:
    """What a task's result says, without the rest of it."""
    try:
        values = json.loads(result)
    except ValueError:
        return result[:500]
    said = [str(values[key]).strip() for key in ("msg", "stderr", "censored") if values.get(key)]
    return "\n".join(said)[-2000:] or "no message"


def _prefix(target: str) -> str:
    return f"oss-nextgen-{target}-"


def _control_sockets(folder: Path) -> Path:
    return folder / "ssh"


def _close_connections(folder: Path) -> None:
    """End the connections that SSH keeps open for the next task: they have left the process group."""
    for socket in _control_sockets(folder).glob("*"):
        argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "-q", "unused"]
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
