"""A small program with a stack of its own, for tests of the lab's plugins with the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.layout import REPOSITORY
from lab.toolchain import Toolchain

TOOLS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


@contextmanager
def running_plugins(folder: Path, names: str) -> Iterator[str]:
    """Serve the lab's plugins, `names` separated by commas. Yields the value of PULUMI_DEBUG_PROVIDERS."""
    ports = folder / "ports.json"
    command = [sys.executable, "-m", "lab.plugins", "--ports-file", str(ports), "--only", names]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = process.stderr.readline()
        assert "serving" in line, line
        yield ",".join(f"{name}:{port}" for name, port in json.loads(ports.read_text()).items())
        process.terminate()
        process.communicate(timeout=20)


class Project:
    """The project `tiny` with the stack `dev`, in a folder that holds all its state.

    Args:
        folder: An empty folder.
        plugins: Value of PULUMI_DEBUG_PROVIDERS.
        program: Text of `__main__.py`.
    """

    def __init__(self, folder: Path, plugins: str, program: str = "") -> None:
        self.folder = folder
        tools = [str(tool.path.parent) for tool in Toolchain().ensure(TOOLS).values()]
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), *tools, os.environ["PATH"]]),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_PROVIDERS": plugins,
        }
        (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\n")
        self.write(program)
        self.pulumi("stack", "init", "dev")

    def write(self, program: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(program)

    def pulumi(self, *args: str, code: int = 0, given: str | None = None) -> str:
        """Run the engine, check its exit code, return what it printed on both streams."""
        result = subprocess.run(
            ["pulumi", *args, "--non-interactive"],
            cwd=self.folder,
            env=self.env,
            text=True,
            input=given,
            capture_output=True,
            check=False,
        )
        printed = result.stdout + result.stderr
        assert result.returncode == code, printed
        return printed

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start the engine in a session of its own, which all that it starts belongs to."""
        quiet = subprocess.DEVNULL
        command = ["pulumi", *args, "--non-interactive"]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def configure(self, **values: str) -> None:
        """Set plain configuration values."""
        self.pulumi("config", "set-all", *(f"--plaintext={key}={value}" for key, value in values.items()))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        outputs: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))
        return outputs

    @property
    def state(self) -> str:
        """Text of the state file."""
        return (self.folder / ".pulumi" / "stacks" / "tiny" / "dev.json").read_text()
