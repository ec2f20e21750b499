"""`python -m verify`: what it reads from the engine, what it prints, how it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.layout import REPOSITORY
from tests.unit.verify.conftest import MakeStack
from verify import plan, report
from verify.certificates import Trust
from verify.checks import Result, run_all

TOKEN = "user@pve!token=6f2ad9a0-0000-4000-8000-000000000001"
PULUMI = """#!/usr/bin/env python3
import json, sys
stack = sys.argv[sys.argv.index("--stack") + 1]
if stack != "paris":
    sys.exit("error: no stack named '" + stack + "' found")
print({outputs!r} if sys.argv[1] == "stack" else {token!r})
"""


def verify(folder: Path, *arguments: str, outputs: Any = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command beside a `pulumi` that knows the stack paris, and a copy of its stack file."""
    pulumi = folder / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI.format(outputs=json.dumps(outputs or {}), token=TOKEN))
    pulumi.chmod(0o755)
    committed = (REPOSITORY / "Pulumi.paris.yaml").read_text()
    (folder / "Pulumi.paris.yaml").write_text(committed.replace("https://10.75.10.5", "https://127.93.0.99"))
    return subprocess.run(
        [sys.executable, "-m", "verify", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{pulumi.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_stack_that_did_not_get_far(tmp_path: Path) -> None:
    outputs = {"domains": ["ef-fr.dev", "ef-fr.io"], "site": "paris", "kubeconfig": "a: s3cret"}
    result = verify(tmp_path, "paris", outputs=outputs)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "TARGET", "RESULT", "REASON"]
    assert lines[-1].startswith("paris: 0 of 17 checks passed in ")
    for key in ("nodes", "storageClass", "dnsServers", "certificates", "tlsSecrets", "ingressClass", "homepageUrl"):
        assert f"the stack has no output {key}" in result.stdout
    assert result.stderr.splitlines()[0] == "reading the stack paris"
    assert len(result.stderr.splitlines()) == 18
    for secret in ("s3cret", TOKEN.partition("=")[2]):
        assert secret not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "outputs", "env", "reason"),
    [
        (["paris"], {}, {}, "verify: the stack paris has no outputs: run `pulumi up -s paris` first"),
        (["lille"], {}, {}, "verify: Pulumi.lille.yaml: "),
        (["lille"], {}, {"PULUMI_OPTION_CONFIG_FILE": "Pulumi.paris.yaml"}, "is the stack file of paris, not of lille"),
        (["paris", "--ca", "none.pem"], {}, {}, "verify: none.pem: not a PEM file"),
        (["paris"], {}, {"PATH": "/nowhere"}, "verify: there is no `pulumi` on the PATH"),
    ],
)
def test_nothing_can_be_checked(
    tmp_path: Path, arguments: list[str], outputs: Any, env: dict[str, str], reason: str
) -> None:
    result = verify(tmp_path, *arguments, outputs=outputs, **env)
    assert (result.returncode, result.stdout) == (1, "")
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_the_engine_s_own_words(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.lille.yaml"
    file.write_text((REPOSITORY / "Pulumi.lille.yaml").read_text())
    result = verify(tmp_path, "lille")
    assert "verify: pulumi stack output: error: no stack named 'lille' found" in result.stderr


@pytest.mark.parametrize(
    ("outputs", "settings", "checked"),
    [
        ({}, {"kubernetes": None}, ["quorum"]),
        ({"dnsServers": [], "nodes": []}, {"kubernetes": None}, ["quorum", "dns"]),
        ({}, {}, ["quorum", "nodes", "certificate"]),
        ({"storageClass": "longhorn"}, {}, ["quorum", "nodes", "certificate", "storage class"]),
    ],
)
def test_a_site_without_services_is_checked_for_what_it_has(
    stack: MakeStack, trust: Trust, outputs: dict[str, Any], settings: dict[str, Any], checked: list[str]
) -> None:
    made = stack(outputs, services=None, **settings)
    assert [check.name for check in plan.checks(made, trust)] == checked


def test_a_site_with_services_is_checked_for_all(stack: MakeStack, trust: Trust) -> None:
    checks = [check for check in plan.checks(stack(), trust) if check.name != "quorum"]
    results = run_all(checks)
    assert [result.name for result in results] == [
        "nodes",
        "certificate",
        "storage class",
        *["workloads"] * 6,
        "dns",
        "certificate",
        "tls secret",
        "https",
        "authentik",
        "homepage",
    ]
    assert not any(result.passed for result in results)


def test_the_table() -> None:
    results = [Result("dns", "ef-fr.dev at 10.0.0.1:53", True, "serial 1"), Result("nodes", "api", False, "none")]
    assert report.table(results).splitlines() == [
        "CHECK  TARGET                    RESULT  REASON",
        "dns    ef-fr.dev at 10.0.0.1:53  pass    serial 1",
        "nodes  api                       FAIL    none",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "printed"),
    [
        (io.StringIO(), "FAIL  nodes  api  (2 more running)\n"),
        (Terminal(), "\r\x1b[KFAIL  nodes  api  (2 more running)\r\x1b[K"),
    ],
)
def test_progress(stream: io.StringIO, printed: str) -> None:
    progress = report.Progress(stream)
    progress.show(Result("nodes", "api", False, "none"), 2)
    progress.end()
    assert stream.getvalue() == printed
