"""Copies of the state apart from its backend: in a folder, which the pipeline keeps, and on the site's backup server.

The engine exports secrets as it keeps them, encrypted: a copy is worth nothing without what the stack's secrets
provider asks for.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ci import engine, nouns
from ci.engine import EngineError
from components.engine import plain


class CopyError(Exception):
    """The backup server did not take the copy."""


def save(site: str, folder: Path) -> str:
    """Export the state of a site. Returns where it is kept now.

    Raises:
        EngineError: the engine refused, or the backup stack holds no server.
        CopyError: the server did not take it.
    """
    text = json.dumps(engine.export(site), indent=1)
    folder.mkdir(exist_ok=True)
    file = folder / f"{site}.json"
    file.write_text(text, encoding="utf-8")
    stack = engine.settings(site).backup.stack
    return f"{file} and {_copy(site, text, _server(stack))}" if stack else f"{file} alone: backup.stack names no stack"


def _server(stack: str) -> dict[str, Any]:
    """What the program itself logs in with."""
    resources = engine.export(stack, show_secrets=True)["deployment"].get("resources") or ()
    for resource in resources:
        if resource["type"] == nouns.BACKUP_SERVER:
            return dict(plain(resource["inputs"]))
    raise EngineError(f"the stack {stack} holds no backup server: pulumi up -s {stack}")


def _copy(site: str, text: str, server: Mapping[str, Any]) -> str:
    folder = f"{server['folder']}/{site}/state"
    path = f"{folder}/{datetime.now(UTC):%Y-%m-%d}.json"
    # Under its name there is a whole one only.
    script = f"umask 077 && mkdir -p {folder} && cat > {path}.part && mv {path}.part {path}"
    with tempfile.TemporaryDirectory() as private:
        key = Path(private) / "key"
        key.touch(mode=0o600)
        key.write_text(f"{server['privateKey'].strip()}\n")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            # As for Ansible: there is nothing to compare the machine's key with.
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": f"{private}/known_hosts",
        }
        argv = ["ssh", "-i", str(key), "-p", str(int(server["sshPort"])), f"{server['user']}@{server['address']}"]
        argv[1:1] = [f"-o{name}={value}" for name, value in options.items()]
        done = subprocess.run(
            [*argv, f"sudo sh -c {shlex.quote(script)}"], input=text, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise CopyError(f"{server['machine']} ({server['address']}) did not take the state: {done.stderr.strip()}")
    return f"{server['machine']}:{path}"
