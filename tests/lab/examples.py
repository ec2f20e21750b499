"""Another team's program, run as that team does: its own folder and stack, and what the platform's outputs give it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.layout import REPOSITORY
from tests.lab.conftest import LabUnderTest, copy


def install_platform(folder: Path) -> Path:
    """Install what other teams get of this project, from a clone; the folder for PYTHONPATH."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    target = folder / "installed"
    subprocess.run([*pip, "--target", target, copy(folder / "clone")], check=True)
    return target


@dataclass(frozen=True)
class Example:
    """A copy of one of `examples/`: the engine writes the stack's salt into the stack file.

    Args:
        lab: The lab that the platform is up in.
        folder: An empty folder.
        installed: Where the platform's packages are.
        name: Of the example.
        site: The site that it is deployed on.
    """

    lab: LabUnderTest
    folder: Path
    installed: Path
    name: str
    site: str = "paris"

    def init(self, **config: str) -> None:
        """Make the stack; `config` stands in place of what the stack file says."""
        shutil.copytree(REPOSITORY / "examples" / self.name, self.folder, dirs_exist_ok=True)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.pulumi(f"stack init {self.site}")
        for key, value in config.items():
            self.pulumi(f"config set {key} {value} --stack {self.site}")

    def pulumi(self, command: str) -> str:
        """Run the engine; what it printed."""
        # The lab's environment is the platform's: its stack, and its copy of the stack file.
        folder, installed = shlex.quote(str(self.folder)), shlex.quote(str(self.installed))
        script = (
            f"cd {folder} && unset PULUMI_STACK PULUMI_OPTION_CONFIG_FILE KUBECONFIG && export PYTHONPATH={installed}"
        )
        done = self.lab.shell(self.site, f"{script} && pulumi {command} --non-interactive")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
