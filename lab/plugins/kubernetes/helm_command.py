"""Runs Helm against one cluster, without a secret in its arguments."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final

from lab.plugins.base import Call
from lab.plugins.kubernetes.kubeconfig import Kubeconfig

_LOOK_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 15.0


class HelmError(Exception):
    """Helm failed. The message is what it said."""

    @property
    def not_found(self) -> bool:
        """There is no such release."""
        return "release: not found" in str(self)


def helm(arguments: Sequence[str], call: Call, kubeconfig: Kubeconfig | None = None, values: Any = None) -> str:
    """Run one Helm command to its end.

    Args:
        arguments: What follows `helm`.
        call: When it is cancelled, Helm is interrupted and marks its release as failed.
        kubeconfig: The cluster, given to Helm in a private file; None for commands that need none.
        values: The chart's values, given to Helm on its standard input; None for commands without.

    Returns:
        What Helm printed.

    Raises:
        HelmError: when Helm cannot be found, fails or is interrupted.
    """
    program = shutil.which("helm")
    if program is None:
        raise HelmError("helm is not on the PATH: install Helm 3, or put the folder that holds it on the PATH")
    command = [program, *arguments, *([] if values is None else ["--values", "-"])]
    given = "" if values is None else json.dumps(values)
    with tempfile.TemporaryDirectory() as folder:  # readable by its owner only
        if kubeconfig is not None:
            file = Path(folder) / "kubeconfig"
            file.write_text(kubeconfig.dump())
            command += ["--kubeconfig", str(file)]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
            output, errors = _outcome(process, given, call)
    if process.returncode:
        raise HelmError(errors.strip() or f"helm {arguments[0]} ended with exit code {process.returncode}")
    return output


def _outcome(process: subprocess.Popen[str], given: str, call: Call) -> tuple[str, str]:
    remaining: str | None = given
    interrupted = False
    while True:
        try:
            return process.communicate(remaining, timeout=_STOP_SECONDS if interrupted else _LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            remaining = None  # the first call goes on with the rest of its input by itself
            if interrupted:
                process.kill()
            elif call.cancelled.is_set():
                process.send_signal(signal.SIGINT)
                interrupted = True


def flags(inputs: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """The flags of the inputs that are set: `--flag` for true, `--flag=value` for texts and numbers."""
    chosen = {flag: inputs.get(name) for name, flag in names.items()}
    return [
        flag if value is True else f"{flag}={value}" for flag, value in chosen.items() if value not in {None, False, ""}
    ]
