"""What is shown of Ansible's output, and what an error says."""

import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from components import ansible
from components.ansible import Report
from components.kubernetes import runner
from components.process import CommandError
from tests.unit.kubernetes.example import CLUSTER

FAILED = (
    'fatal: [w-1]: FAILED! => {"changed": false, "cmd": "x", "msg": "non-zero return code", "stderr": "no \\"disk\\""}'
)
UNREACHABLE = 'fatal: [w-2]: UNREACHABLE! => {"changed": false, "msg": "No route to host", "unreachable": true}'
DELEGATED = 'fatal: [w-3 -> m-1(10.0.0.1)]: FAILED! => {"msg": "refused"}'
HANDLER = "RUNNING HANDLER [Kubeadm | Restart kubelet] ***********"
LOOPED = 'failed: [w-4] (item=etcd) => {"item": "etcd", "msg": "not found"}'
HIDDEN = 'fatal: [w-5]: FAILED! => {"attempts": 3, "censored": "the output has been hidden due to no_log"}'
TASK = "TASK [etcd : Configure | Start etcd] ***********"


def failure(*lines: str) -> str:
    report = Report("cluster.yml")
    for line in lines:
        report.line(line)
    return report.failure(CommandError("cluster.yml", 2, lines))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (FAILED, 'w-1: etcd : Configure | Start etcd: non-zero return code\nno "disk"'),
        (UNREACHABLE, "w-2: etcd : Configure | Start etcd: No route to host"),
        (DELEGATED, "w-3: etcd : Configure | Start etcd: refused"),
        (LOOPED, "w-4: etcd : Configure | Start etcd: not found"),
        (HIDDEN, "w-5: etcd : Configure | Start etcd: the output has been hidden due to no_log"),
    ],
)
def test_an_error_names_host_task_and_reason(line: str, said: str) -> None:
    assert failure(TASK, line) == f"cluster.yml failed:\n{said}"


def test_every_host_that_failed_is_named() -> None:
    assert failure(TASK, FAILED, UNREACHABLE).count("\n") == 3


def test_an_ignored_failure_is_none() -> None:
    assert failure(TASK, FAILED, "...ignoring", UNREACHABLE) == failure(TASK, UNREACHABLE)


def test_ignored_items_of_a_loop_are_none() -> None:
    assert failure(TASK, UNREACHABLE, LOOPED, LOOPED, "...ignoring", TASK, FAILED) == failure(TASK, UNREACHABLE, FAILED)


def test_a_handler_that_failed_is_named() -> None:
    assert failure(TASK, HANDLER, DELEGATED) == "cluster.yml failed:\nw-3: Kubeadm | Restart kubelet: refused"


def test_without_a_failed_task_the_last_lines_are_quoted() -> None:
    assert "ERROR! the role 'etcd' was not found" in failure("ERROR! the role 'etcd' was not found")


def test_the_recap_is_a_table_of_the_hosts() -> None:
    report = Report("scale.yml")
    for line in (
        "PLAY RECAP *********************************************************************",
        "paris-w-10                 : ok=30   changed=12   unreachable=0    failed=0    skipped=3",
        "paris-w-9                  : ok=4    changed=0    unreachable=0    failed=1    skipped=0",
    ):
        report.line(line)
    assert report.recap().splitlines() == [
        "scale.yml     ok  changed  failed",
        "paris-w-10    30       12       0",
        "paris-w-9      4        0       1",
    ]


def test_plays_are_shown_and_tasks_are_not_within_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 1.0, 2.0, 13.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    report = Report("cluster.yml")
    shown = [report.line("PLAY [Install etcd] ***"), report.line(TASK), report.line(TASK), report.line("ok: [w-1]")]
    assert shown == [
        "cluster.yml: 1 s: Install etcd",
        None,
        "cluster.yml: 13 s: etcd : Configure | Start etcd",
        None,
    ]


def test_the_workspace_is_private_and_goes_away() -> None:
    with runner.workspace(CLUSTER, "a private key") as folder:
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
        assert [path.name for path in files if "a private key" in path.read_text()] == ["key"]
    assert not folder.exists()


def test_the_workspace_goes_away_after_an_interruption() -> None:
    workspace = runner.workspace(CLUSTER, "secret")
    folder = workspace.__enter__()
    assert folder.exists()
    assert not workspace.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not folder.exists()


def test_the_next_run_waits_for_an_ansible_that_outlived_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And removes the key that nobody was there to remove."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(ansible, "WORKSPACES", tmp_path)
    with ansible.alone(CLUSTER.api_server) as lock:
        left = Path(tempfile.mkdtemp(prefix=f"oss-nextgen-{CLUSTER.api_server}-", dir=tmp_path))
        (left / "key").touch()
        outliving = subprocess.Popen(["sleep", "2"], pass_fds=[lock])
    with ansible.alone(CLUSTER.api_server):
        assert outliving.poll() == 0 or outliving.wait(timeout=1) == 0
        assert not left.exists()
    assert "waiting for its end" in capsys.readouterr().err


def test_control_sockets_fit_into_a_socket_address() -> None:
    """sun_path has 108 bytes; SSH adds a random suffix of 17 while it makes the socket (unix(7))."""
    with runner.workspace(CLUSTER, "secret") as folder:
        sockets = Path(ansible.environment(folder)["ANSIBLE_SSH_CONTROL_PATH_DIR"])
        assert len(str(sockets / ("f" * 10))) + 17 < 104
