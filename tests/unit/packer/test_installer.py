"""The installer: a typed line, a preseed over HTTP, and a system on disk, or a question on the screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.proxmox import installer
from lab.proxmox.accounts import account, password_login, password_matches

VM = "127.83.33.100"


class Runner:
    """Packer's HTTP server: serves one text, and remembers who asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[tuple[str, str]] = []
        runner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                runner.asked.append((self.client_address[0], self.path))
                found = self.path == "/preseed.cfg"
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(runner.text.encode() if found else b"")

            def log_message(self, format: str, *_args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.83.32.2", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.83.32.2:{self.server.server_port}"


@pytest.fixture
def runner(preseed_text: str) -> Iterator[Runner]:
    made = Runner(preseed_text)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def install(line: str, root: Path) -> installer.Installed:
    return asyncio.run(installer.install(line, root, VM))


def test_a_system_is_installed(runner: Runner, tmp_path: Path) -> None:
    installed = install(f"auto url={runner.url}/preseed.cfg hostname=golden domain=localdomain", tmp_path)

    assert runner.asked == [(VM, "/preseed.cfg")]
    assert installed.agent
    assert installed.hostname == (tmp_path / "etc/hostname").read_text().strip() == "golden"
    assert "Package: open-iscsi\nStatus: install ok installed" in (tmp_path / "var/lib/dpkg/status").read_text()
    user = account(tmp_path, "ossng")
    assert user is not None
    assert (user.uid, user.home) == (1000, "/home/ossng")
    assert password_matches(tmp_path, "ossng", "correct-horse-battery")
    assert password_login(tmp_path, "ossng")
    assert not password_login(tmp_path, "root")


def test_the_late_command_ran_in_the_target(runner: Runner, tmp_path: Path) -> None:
    install(f"auto url={runner.url}/preseed.cfg", tmp_path)

    keys = tmp_path / "home/ossng/.ssh/authorized_keys"
    assert keys.read_text().startswith("ssh-ed25519 ")
    assert keys.stat().st_mode & 0o777 == 0o600
    assert keys.parent.stat().st_mode & 0o777 == 0o700
    sudoers = tmp_path / "etc/sudoers.d/ossng"
    assert sudoers.stat().st_mode & 0o777 == 0o440
    assert (tmp_path / "etc/ssh/sshd_config.d/10-port.conf").read_text() == "Port 2222\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "graphical installer waits for a person"),
        ("linux26 auto url=http://127.83.32.2/", "Could not find kernel image: linux26"),
        ("install url=http://127.83.32.2/preseed.cfg", "questions of high priority"),
        ("install priority=critical url=http://127.83.32.2/preseed.cfg", "asks debian-installer/language"),
        ("auto hostname=x", "it has no preseed"),
        ("auto url=https://127.83.32.2/preseed.cfg", r"reads http://HOST"),
        ("auto url=http://127.83.32.2/preseed.cfg net.ifnames=0", "boot parameter 'net.ifnames=0'"),
    ],
)
def test_a_boot_line_that_waits_for_a_person(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(installer.InstallError, match=message):
        install(line, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_preseed_that_is_not_there(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(installer.InstallError, match=r"Failed to retrieve the preconfiguration file .* 404"):
        install(f"auto url={runner.url}/preseed.txt", tmp_path)


def test_a_runner_that_does_not_answer(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(installer.InstallError, match="Connection refused"):
        install("auto url=http://127.83.32.3:9/preseed.cfg", tmp_path)


def test_an_open_question_stops_the_installation(runner: Runner, tmp_path: Path) -> None:
    runner.text = runner.text.replace("d-i partman/confirm boolean true\n", "")
    with pytest.raises(installer.InstallError, match="it asks partman/confirm"):
        install(f"auto url={runner.url}/preseed.cfg", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("in-target chown -R nobody-here /home", "chown: invalid user: 'nobody-here'"),
        ("in-target no-such-command", "no-such-command"),
        ("echo last words; exit 3", "failed with code 3: last words"),
        ("in-target touch /usr/bin/x", "Read-only file system"),
    ],
)
def test_a_late_command_that_fails_stops_it(runner: Runner, tmp_path: Path, command: str, message: str) -> None:
    head = runner.text.partition("d-i preseed/late_command")[0]
    tail = f"d-i preseed/late_command string {command}\nd-i finish-install/reboot_in_progress note\n"
    runner.text = head + tail
    with pytest.raises(installer.InstallError, match=message):
        install(f"auto url={runner.url}/preseed.cfg", tmp_path)
    assert not list(tmp_path.iterdir())
