"""`packer init|validate|build|version` for the lab: the real Packer 1.6.6 with a translated template."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import requests

from lab.files import write_private
from lab.layout import SITES, Lab, Site
from lab.packer import hcl
from lab.packer.proxmox import ProxmoxError, Vm
from lab.packer.relay import Relay
from lab.packer.translate import Login, Translation, translate

OPTIONS = {"build": ("-color=", "-on-error=", "-timestamp-ui"), "validate": (), "init": ()}
"""Options that mean the same to Packer 1.6.6."""
PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class UsageError(Exception):
    """A command line that the lab's packer does not know."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    try:
        command, options, folder = _parse(arguments)
        if command == "version":
            return subprocess.run([_packer(), "version"], check=False).returncode
        if command == "init":
            return _init(folder)
        translation = translate(hcl.load(folder, os.environ), _login)
        return _run(command, options, translation)
    except (UsageError, hcl.TemplateError, ProxmoxError, requests.RequestException) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[str]) -> tuple[str, list[str], Path]:
    command, *rest = arguments or [""]
    if command == "version" and not rest:
        return command, [], Path()
    if command not in OPTIONS:
        raise UsageError(f"the lab's packer knows {', '.join(OPTIONS)} and version, not {command!r}")
    options = [argument for argument in rest if argument.startswith("-")]
    unknown = [option for option in options if not option.startswith(OPTIONS[command])]
    folders = [Path(argument) for argument in rest if not argument.startswith("-")]
    if unknown or len(folders) != 1:
        raise UsageError(f"expected packer {command} FOLDER; not understood: {' '.join(unknown) or 'the folder'}")
    return command, options, folders[0].resolve()


def _init(folder: Path) -> int:
    # Variables are not needed yet, so none may be missing.
    for address, version in hcl.required_plugins(folder).items():
        print(f"{address} {version}: not installed, the Proxmox builder of Packer 1.6.6 stands in for it")
    return 0


def _login(url: str) -> Login:
    """The password login of the lab's site that has an API URL.

    Raises:
        TemplateError: no site of this lab has it, or it is not up.
    """
    config = json.loads((_site(url).home / "proxmox.json").read_text())
    return Login(config["user"], config["password"])


def _site(url: str) -> Site:
    host, lab = urlsplit(url).hostname, Lab.current()
    for name in SITES:
        site = lab.site(name)
        if str(site.proxmox) == host and (site.home / "proxmox.json").exists():
            return site
    raise hcl.TemplateError(f"proxmox_url is {url}: no site of the lab below {lab.home} answers there")


def _run(command: str, options: Sequence[str], translation: Translation) -> int:
    vm = Vm(translation.proxmox_url, translation.token, translation.insecure, translation.node, translation.vm_id)
    if command == "build" and vm.exists():
        # Packer 1.6.6 would allocate the disk before it is refused, and leave it behind.
        raise ProxmoxError(f"VM {translation.vm_id} already exists: Packer replaces none")
    with ExitStack() as stack:
        home = _site(translation.proxmox_url).home
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packer-", dir=home)))
        relay = stack.enter_context(Relay(translation.http_bind_address, vm.address, translation.ssh_port))
        path = _write(folder, translation, relay.port)
        for note in translation.notes if command == "build" else ():
            print(f"==> lab: {note}", flush=True)
        code = _supervise([_packer(), command, *options, str(path)], _environment(folder, translation))
    if command == "build" and code == 0:
        _finish(vm, translation)
    return code


def _write(folder: Path, translation: Translation, port: int) -> Path:
    """The JSON template and what Packer's HTTP server serves, in a private folder."""
    served = folder / "http"
    served.mkdir()
    for name, content in translation.files.items():
        write_private(served / name.lstrip("/"), content)
    builder = translation.document["builders"][0]
    builder |= {
        "http_directory": str(served),
        "ssh_host": translation.http_bind_address,
        "ssh_port": port,
    }
    path = folder / "template.json"
    write_private(path, json.dumps(translation.document))
    return path


def _environment(folder: Path, translation: Translation) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PKR_VAR_")}
    private = {"PACKER_CACHE_DIR": str(folder / "cache"), "CHECKPOINT_DISABLE": "1"}
    return {**inherited, **private, **translation.environment}


def _supervise(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run Packer to its end; an interruption of this process becomes one of Packer, which then cleans up."""
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # If this process is killed, Packer is told to stop, and removes its VM.
        preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509
    )

    def forward(_number: int, _frame: FrameType | None) -> None:
        os.killpg(process.pid, signal.SIGINT)

    previous = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _finish(vm: Vm, translation: Translation) -> None:
    """Complete the template, or remove it: half of one is worse than none."""
    try:
        vm.finish(translation.finish)
    except ProxmoxError:
        vm.delete()
        raise
    print(f"==> lab: template {translation.vm_id} completed: cloud-init drive, disk options, tags", flush=True)


def _packer() -> str:
    """The real Packer: the next one on the PATH."""
    own = Path(__file__).parent / "bin"
    folders = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(part).resolve() != own]
    found = shutil.which("packer", path=os.pathsep.join(folders))
    if found is None:
        raise UsageError("Packer is not installed: sudo apt-get install packer")
    return found
