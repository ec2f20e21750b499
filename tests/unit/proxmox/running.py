"""A Proxmox site in a process of its own, as the lab starts it, and those who talk to it."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from proxmoxer import ProxmoxAPI

from lab.authority import Authority
from lab.layout import REPOSITORY

T = TypeVar("T")
BLOCK = 82
TOKEN = {"id": "oss-nextgen@pve!pulumi", "secret": "5e0d9c1c-1111-4222-8333-444455556666"}
ROOT = ("root@pam", "root-of-the-node")
ISO = "debian-12.12.0-amd64-netinst.iso"
PASSWORD = "correct horse"
PASSWORD_HASH = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
USER = "ossng"
GOLDEN = 900
TYPED = {" ": "spc", "=": "equal", ":": "shift-semicolon", "/": "slash", ".": "dot", "-": "minus"}
PRESEED = f"""
d-i debian-installer/locale string en_US.UTF-8
d-i passwd/root-login boolean true
d-i passwd/root-password-crypted password {PASSWORD_HASH}
d-i passwd/user-fullname string {USER}
d-i passwd/username string {USER}
d-i passwd/user-password-crypted password {PASSWORD_HASH}
d-i partman-auto/method string regular
d-i partman-auto/choose_recipe select atomic
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
tasksel tasksel/first multiselect
d-i pkgsel/include string openssh-server sudo python3 qemu-guest-agent cloud-init
d-i grub-installer/only_debian boolean true
d-i grub-installer/bootdev string default
d-i preseed/late_command string \\
  in-target sh -c 'echo "{USER} ALL=(ALL:ALL) NOPASSWD: ALL" > /etc/sudoers.d/{USER}' && \\
  in-target sh -c 'echo "Port 2222" > /etc/ssh/sshd_config.d/10-port.conf'
d-i finish-install/reboot_in_progress note
"""


def eventually(read: Callable[[], T], what: str, seconds: float = 120.0) -> T:
    """Ask a server until it has an answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := read()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)
    return found


class Service:
    """`python -m lab.proxmox` on a configuration of its own."""

    def __init__(self, home: Path, number: int) -> None:
        self.home = home
        self.address = IPv4Address(f"127.{BLOCK}.{number}.1")
        self.log = home / "proxmox.log"
        self._process: subprocess.Popen[bytes] | None = None
        authority = Authority(home)
        self.bundle = authority.bundle
        chain, key = authority.issue(home / "site", self.address)
        network = f"127.{BLOCK}.{number + 1}"
        self.config = {
            "address": str(self.address),
            "port": 8006,
            "certificate": str(chain),
            "key": str(key),
            "nodes": ["pve1", "pve2"],
            "isoStorage": "local",
            "diskStorages": ["local-lvm"],
            "user": ROOT[0],
            "password": ROOT[1],
            "token": TOKEN,
            "bridges": ["vmbr0"],
            "network": f"{network}.0/24",
            "dhcp": {"first": f"{network}.100", "last": f"{network}.119"},
            "sshPort": 2222,
            "tools": [],
            "state": str(home / "state"),
        }

    def start(self) -> None:
        path = self.home / "proxmox.json"
        path.write_text(json.dumps(self.config))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab.proxmox", str(path)], cwd=REPOSITORY, stdout=log, stderr=log
            )
        eventually(self._answers, "the service starts")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            self.root.version.get()
        except OSError:
            self.__dict__.pop("root", None)
            return False
        return True

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(20)
        self._process = None
        self.__dict__.pop("root", None)
        return code

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @cached_property
    def root(self) -> ProxmoxAPI:
        """Logged in with a password, as Packer 1.6.6 does it."""
        return ProxmoxAPI(str(self.address), user=ROOT[0], password=ROOT[1], verify_ssl=str(self.bundle), timeout=20)

    @cached_property
    def api(self) -> ProxmoxAPI:
        """With the API token, as the program does it."""
        user, _, name = TOKEN["id"].partition("!")
        return ProxmoxAPI(
            str(self.address),
            user=user,
            token_name=name,
            token_value=TOKEN["secret"],
            verify_ssl=str(self.bundle),
            timeout=20,
        )

    def vm(self, vmid: int, node: str = "pve1") -> Any:
        return self.api.nodes(node).qemu(vmid)

    def done(self, upid: str) -> str:
        """Wait for a task; its exit status."""
        task = self.api.nodes(upid.split(":")[1]).tasks(upid)
        return str(
            eventually(lambda: (found := task.status.get())["status"] == "stopped" and found, upid)["exitstatus"]
        )

    def ok(self, upid: str) -> None:
        assert self.done(upid) == "OK"

    def ipv4(self, vmid: int) -> str:
        """The address that the guest agent tells, once it runs."""

        def ask() -> str:
            with contextlib.suppress(Exception):
                cards = self.vm(vmid).agent("network-get-interfaces").get()["result"]
                return str(cards[1]["ip-addresses"][0]["ip-address"])
            return ""

        return eventually(ask, f"the agent of VM {vmid} answers")

    def type(self, vmid: int, line: str) -> None:
        """Type a boot line, key by key, as Packer does."""
        for key in ["esc", *(TYPED.get(letter, letter) for letter in line), "ret"]:
            assert self.vm(vmid).monitor.post(command=f"sendkey {key}") == ""


class Files(http.server.ThreadingHTTPServer):
    """An HTTP server with a few files; `seen` holds (path, client's address)."""

    daemon_threads = True

    def __init__(self, address: str, files: dict[str, bytes]) -> None:
        self.files = files
        self.seen: list[tuple[str, str]] = []
        super().__init__((address, 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.client_address[0]))
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_HEAD = do_GET  # noqa: N815 - the names that the base class looks for

    def log_message(self, format: str, *args: object) -> None: ...
