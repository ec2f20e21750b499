"""`python -m recovery`: what it asks the engine for, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ci.nouns import NFS, RELEASE
from components.engine import SIGNATURE
from recovery.__main__ import main
from tests.unit.proxmox_server import ProxmoxServer

PULUMI = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
command = " ".join(sys.argv[1:])
with (folder / "calls").open("a") as calls:
    calls.write(command + chr(10))
if command.startswith("stack import"):
    (folder / "imported").write_text(sys.stdin.read())
for words, code, out, err in json.loads((folder / "answers").read_text()):
    if command.startswith(words):
        print(out)
        print(err, file=sys.stderr)
        sys.exit(code)
"""
STORAGE = {"urn": "urn::backup-storage", "type": NFS, "custom": True, "inputs": {"resourceId": "oss-nextgen-backup"}}
SECRET = {"urn": "urn::tls", "type": "kubernetes:core/v1:Secret", "provider": "urn::kubernetes::1"}
PROVIDER = {"urn": "urn::kubernetes", "type": "pulumi:providers:kubernetes", "id": "1"}
FAILED = {"urn": "urn::homepage", "type": RELEASE, "initErrors": ["timed out waiting for the condition"]}
NOTHING = "stack paris is unlocked; nothing was cut short\n"


class Engine:
    """A `pulumi` that holds a state, and what it was asked for."""

    def __init__(self, folder: Path, endpoint: str, token: str) -> None:
        self.folder = folder
        self.state: dict[str, Any] = {}
        self.cancelled = (0, "", "")
        self._configuration = [
            ("config get oss-nextgen:proxmoxApiToken", 0, token, ""),
            ("config get oss-nextgen:proxmox", 0, json.dumps({"endpoint": endpoint}), ""),
        ]
        (folder / "pulumi").write_text(PULUMI.format(python=sys.executable, folder=str(folder)))
        (folder / "pulumi").chmod(0o755)

    def recover(self, monkeypatch: pytest.MonkeyPatch) -> int:
        exported = ("stack export", 0, json.dumps({"version": 3, "deployment": self.state}), "")
        answers = [("cancel", *self.cancelled), exported, *self._configuration]
        (self.folder / "answers").write_text(json.dumps(answers))
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setattr(sys, "argv", ["recovery", "paris"])
        return main()

    @property
    def imported(self) -> dict[str, Any]:
        imported: dict[str, Any] = json.loads((self.folder / "imported").read_text())
        return imported

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def engine(serve_proxmox: Any, proxmox_token: str, tmp_path: Path) -> Engine:
    server = serve_proxmox(ProxmoxServer())
    server.storages["oss-nextgen-backup"] = {**server.storages["local"], "storage": "oss-nextgen-backup"}
    return Engine(tmp_path, server.url, proxmox_token)


@pytest.mark.parametrize(
    ("cancelled", "code", "said"),
    [
        ((0, "", ""), 0, NOTHING),
        ((255, "", "error: [409] Conflict: The Update has already completed"), 0, NOTHING),
        ((255, "", "error: stack paris has never been updated"), 0, NOTHING),
        ((255, "", "error: [401] Unauthorized"), 1, "recovery: pulumi cancel: error: [401] Unauthorized\n"),
    ],
)
def test_a_stack_that_is_not_locked_goes_on(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cancelled: tuple[int, str, str],
    code: int,
    said: str,
) -> None:
    engine.cancelled = cancelled
    assert engine.recover(monkeypatch) == code
    assert said in "".join(capsys.readouterr())


def test_there_is_no_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["recovery", "paris"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("recovery: there is no `pulumi` on the PATH: install it")


def test_what_is_adopted_is_imported_before_all_is_looked_at(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.state = {"pending_operations": [{"type": "creating", "resource": STORAGE}]}
    assert engine.recover(monkeypatch) == 0
    [storage] = engine.imported["deployment"]["resources"]
    assert (storage["id"], storage["inputs"]) == ("oss-nextgen-backup", STORAGE["inputs"])
    assert [call.split()[0] for call in engine.calls[-2:]] == ["stack", "refresh"]


def test_a_release_that_failed_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"type": "updating", "resource": {"urn": "urn::dns", "type": "kubernetes:core/v1:Service"}}
    engine.state = {"resources": [FAILED], "pending_operations": [changed]}
    assert engine.recover(monkeypatch) == 0
    assert "--exclude=urn::homepage" in engine.calls[-1].split()

    engine.state = {"resources": [FAILED]}
    assert engine.recover(monkeypatch) == 0
    assert engine.calls[-1].startswith("config get"), "there is nothing to look at"


def test_a_cluster_that_does_not_answer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps("s3cret")}
    engine.state = {
        "resources": [{**PROVIDER, "inputs": {"kubeconfig": kubeconfig}}],
        "pending_operations": [{"type": "creating", "resource": SECRET}],
    }
    assert engine.recover(monkeypatch) == 1
    said = capsys.readouterr().err
    assert said.startswith("recovery: the cluster has to say what became of what was being made on it: ")
    assert "Run this again once it answers" in said
    assert "s3cret" not in said
    assert not any(call.startswith("refresh") for call in engine.calls), "nothing was forgotten"
