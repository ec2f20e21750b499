"""sshd of a guest, and the sandbox behind it."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.unit.proxmox.login import KEY, clone, output, remove, ssh
from tests.unit.proxmox.running import PASSWORD, USER, Service


def counting(data: str) -> Callable[[asyncssh.SSHClientConnection], Awaitable[Any]]:
    """Let four sessions count the same input."""

    async def use(connection: asyncssh.SSHClientConnection) -> list[Any]:
        return await asyncio.gather(*(connection.run("wc -c", input=data) for _ in range(4)))

    return use


def test_command_keeps_exit_code_and_both_outputs_apart(clone_address: str) -> None:
    result = ssh(clone_address, lambda c: c.run("echo out; echo err >&2; exit 3"))
    assert (result.exit_status, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_command_reads_its_input(clone_address: str) -> None:
    assert ssh(clone_address, lambda c: c.run("sort", input="b\na\n")).stdout == "a\nb\n"
    for size in (65_536, 300_000, 5_000_000):
        assert [int(r.stdout) for r in ssh(clone_address, counting("x" * size))] == [size] * 4


def test_command_that_ends_before_its_input_does(clone_address: str) -> None:
    result = ssh(clone_address, lambda c: c.run("head -c 5", input="x" * 5_000_000))
    assert (result.exit_status, result.stdout) == (0, "xxxxx")


def test_large_output_is_complete(clone_address: str) -> None:
    result = ssh(
        clone_address, lambda c: c.run("head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2", encoding=None)
    )
    assert (len(result.stdout), len(result.stderr)) == (20_000_000, 3_000_000)


def test_sessions_run_side_by_side(clone_address: str) -> None:
    async def many(connection: asyncssh.SSHClientConnection) -> list[Any]:
        together = "until [ $(ls /tmp/side-* | wc -l) = 8 ]; do sleep 0.1; done"
        commands = (f"touch /tmp/side-{n}; {together}; seq {n} 20000" for n in range(1, 9))
        return await asyncio.gather(*(connection.run(command) for command in commands))

    results = ssh(clone_address, many)
    assert [str(r.stdout).splitlines()[0::19999] for r in results[:1]] == [["1", "20000"]]
    assert [str(r.stdout).split()[-1] for r in results] == ["20000"] * 8


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For a control socket: its path may have a hundred letters, and pytest's are longer."""
    with tempfile.TemporaryDirectory(prefix="ssh") as folder:
        yield Path(folder)


def test_openssh_that_shares_a_connection_gets_every_exit_code(clone_address: str, short_folder: Path) -> None:
    """As Ansible does it: what asyncssh's own client never notices."""
    key = short_folder / "key"
    key.touch(mode=0o600)
    key.write_bytes(KEY.export_private_key())
    options = {
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "LogLevel": "ERROR",
        "IdentitiesOnly": "yes",
        "ControlMaster": "auto",
        "ControlPath": f"{short_folder}/%C",
        "ControlPersist": "20",
    }
    line = ["ssh", "-F", "none", "-C", "-i", str(key), "-p", "2222", f"{USER}@{clone_address}"]
    line[1:1] = [f"-o{name}={value}" for name, value in options.items()]
    for code in range(20):
        ran = subprocess.run([*line, f"wc -c; exit {code}"], input=b"x" * 300_000, capture_output=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, b"300000\n", b"")
    subprocess.run([*line, "-O", "exit"], check=True, capture_output=True)


def test_sftp_and_scp_carry_files(clone_address: str, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"x" * 1_000_000)

    async def copy(connection: asyncssh.SSHClientConnection) -> None:
        async with connection.start_sftp_client() as sftp:
            await sftp.put(tmp_path / "here", "relative")
            await sftp.get(f"/home/{USER}/relative", tmp_path / "back")
        await asyncssh.scp(tmp_path / "here", (connection, "/tmp/by-scp"))

    ssh(clone_address, copy)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "here").read_bytes()
    assert output(clone_address, "pwd; stat -c %s relative /tmp/by-scp").split() == [
        f"/home/{USER}",
        "1000000",
        "1000000",
    ]


def test_terminal(clone_address: str) -> None:
    result = ssh(
        clone_address, lambda c: c.run("test -t 0 && test -t 1 && stty size", term_type="vt100", term_size=(132, 43))
    )
    assert result.exit_status == 0
    assert str(result.stdout).split() == ["43", "132"]


def test_commands_run_as_the_user_and_sudo_as_root(clone_address: str) -> None:
    assert output(clone_address, "id -un; echo $HOME").split() == [USER, f"/home/{USER}"]
    assert output(clone_address, "sudo -H -S -n -u root /bin/sh -c 'id -un; echo $HOME'").split() == ["root", "/root"]
    assert output(clone_address, "sudo sh -c 'touch /root/x && stat -c %U /root/x'") == "root"


def test_sudo_asks_for_a_password_where_sudoers_has_no_rule(clone_address: str) -> None:
    result = ssh(clone_address, lambda c: c.run("sudo useradd guest; sudo -u nobody sudo id"))
    assert result.exit_status == 1
    assert "a password is required" in str(result.stderr)


def test_programs_of_the_machine_are_read_only_and_the_guest_has_its_own_etc(clone_address: str) -> None:
    assert ssh(clone_address, lambda c: c.run("sudo touch /usr/bin/x")).exit_status != 0
    assert "debian" in output(clone_address, ". /etc/os-release; echo $ID")


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ({"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]}, "a key that is not authorized"),
        ({"client_keys": None, "password": PASSWORD}, "cloud-init locks the password"),
        ({"username": "root"}, "root has no key"),
        ({"username": "nobody-here"}, "there is no such user"),
    ],
)
def test_login_is_refused(clone_address: str, login: dict[str, Any], why: str) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        output(clone_address, "true", **login)


def test_password_of_the_preseed_lets_in_until_sshd_config_forbids(service: Service, golden: int) -> None:
    clone(service, 1030, ciuser="another")
    address = service.ipv4(1030)
    by_password = {"client_keys": None, "password": PASSWORD}
    assert output(address, "whoami", **by_password) == USER
    with pytest.raises(asyncssh.PermissionDenied):
        output(address, "true", **by_password | {"password": "wrong"})
    output(address, "echo PasswordAuthentication no | sudo tee /etc/ssh/sshd_config.d/01.conf", **by_password)
    with pytest.raises(asyncssh.PermissionDenied):
        output(address, "true", **by_password)
    remove(service, 1030)
