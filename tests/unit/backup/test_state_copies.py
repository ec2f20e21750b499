"""Copies of the state, over real SSH: what is kept where, and who can read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci import engine, nouns, states
from ci.engine import EngineError
from settings import Settings
from tests.unit.kubernetes.machines import SSH_PORT, USER, Machines

ROOT = Path(__file__).resolve().parents[3]
SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
STATE = {"version": 3, "deployment": {"resources": [{"inputs": {"apiToken": {**SIGNATURE, "ciphertext": "v1:abc"}}}]}}


@pytest.fixture
def server(site: Machines, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The inputs of the server that the state of `backup` holds, which a test may change."""
    [node] = site.nodes
    inputs: dict[str, Any] = {
        "machine": node.name,
        "address": node.address,
        "user": USER,
        "sshPort": float(SSH_PORT),
        "privateKey": {**SIGNATURE, "plaintext": json.dumps(site.private_key)},
        "folder": "/srv/backup",
    }
    resource = {"type": nouns.BACKUP_SERVER, "inputs": inputs}

    def export(stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
        # Secrets in clear are asked of no site whose state is saved.
        assert show_secrets == (stack == "backup")
        return {"deployment": {"resources": [resource]}} if show_secrets else STATE

    monkeypatch.setattr(engine, "export", export)
    monkeypatch.setattr(engine, "settings", lambda site: Settings.read(ROOT / f"Pulumi.{site}.yaml"))
    return inputs


@pytest.mark.usefixtures("server")
def test_a_state_is_kept_here_and_on_the_backup_server(site: Machines, tmp_path: Path) -> None:
    where = states.save("paris", tmp_path / "states")

    assert json.loads((tmp_path / "states" / "paris.json").read_text()) == STATE
    folder = site.root(site.nodes[0].name) / "srv/backup/paris/state"
    (copy,) = folder.iterdir()
    assert json.loads(copy.read_text()) == STATE
    assert (folder.stat().st_mode & 0o777, copy.stat().st_mode & 0o777) == (0o700, 0o600)
    assert where.endswith(f" and {site.nodes[0].name}:/srv/backup/paris/state/{copy.name}")


def test_a_server_that_does_not_take_it_is_named(server: dict[str, Any], tmp_path: Path) -> None:
    server["user"] = "nobody"
    with pytest.raises(states.CopyError, match=rf"{server['machine']} .* did not take the state: .*ermission denied"):
        states.save("paris", tmp_path)


@pytest.mark.usefixtures("server")
def test_a_stack_without_a_server_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "export", lambda *_, **__: {"deployment": {}})
    with pytest.raises(EngineError, match="the stack backup holds no backup server: pulumi up -s backup"):
        states.save("paris", tmp_path)


@pytest.mark.usefixtures("server")
def test_a_site_that_names_no_backup_stack_keeps_it_here_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "export", lambda *_, **__: STATE)
    assert states.save("backup", tmp_path) == f"{tmp_path}/backup.json alone: backup.stack names no stack"
