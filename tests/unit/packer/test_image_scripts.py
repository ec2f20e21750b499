"""The provisioning scripts of the golden image."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).resolve().parents[3] / "packer/scripts").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_posix_shell(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    result = subprocess.run(["dash", "-n", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_password_login_is_closed_last() -> None:
    text = next(path for path in SCRIPTS if path.name == "seal.sh").read_text()
    after = text.partition("PasswordAuthentication no")[2]
    assert after
    assert "apt-get" not in after
    assert "cloud-init " not in after
