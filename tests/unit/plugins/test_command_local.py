"""Local commands: real processes."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

import pytest

from lab.plugins.base import UNKNOWN, Call, Props, ResourceError
from lab.plugins.command.local import LocalCommand, run


def test_streams_environment_stdin_and_folder(call: Call, tmp_path: Path) -> None:
    inputs = {
        "create": 'pwd; echo "$GREETING" >&2; cat',
        "environment": {"GREETING": "hello"},
        "stdin": "from stdin\n",
        "dir": str(tmp_path),
    }
    name, outputs = LocalCommand().create(inputs, call)
    assert outputs["stdout"] == f"{tmp_path}\nfrom stdin"
    assert outputs["stderr"] == "hello"
    assert name.startswith("name")


def test_interpreter(call: Call) -> None:
    inputs = {"create": "print(6 * 7)", "interpreter": ["python3", "-c"]}
    assert LocalCommand().create(inputs, call)[1]["stdout"] == "42"


def test_nothing_to_run(call: Call) -> None:
    assert LocalCommand().create({"delete": "true"}, call)[1] == {"delete": "true", "stdout": "", "stderr": ""}
    LocalCommand().delete("id", {"stdout": "", "stderr": ""}, call)


def test_update_runs_update_or_else_create_with_the_previous_output(call: Call) -> None:
    previous = {"stdout": "one", "stderr": "", "create": "x"}
    show = 'echo "$PULUMI_COMMAND_STDOUT+"'
    update = LocalCommand().update
    assert update("id", previous, {}, {"create": "exit 9", "update": show}, call)["stdout"] == "one+"
    assert update("id", previous, {}, {"create": show}, call)["stdout"] == "one+"
    assert update("id", previous, {}, {"create": show, "addPreviousOutputInEnv": False}, call)["stdout"] == "+"


def test_delete(call: Call, tmp_path: Path) -> None:
    marker = tmp_path / "deleted"
    LocalCommand().delete("id", {"delete": f'echo "$PULUMI_COMMAND_STDOUT" > {marker}', "stdout": "made"}, call)
    assert marker.read_text() == "made\n"


def test_failure_says_status_command_and_output(call: Call) -> None:
    with pytest.raises(ResourceError, match=r"exit status 3: running 'echo out; echo err >&2; exit 3':\n") as caught:
        LocalCommand().create({"create": "echo out; echo err >&2; exit 3"}, call)
    assert {"out", "err"} <= set(str(caught.value).splitlines())


def test_missing_folder_and_interpreter(call: Call) -> None:
    with pytest.raises(ResourceError, match="No such file or directory: /nowhere"):
        LocalCommand().create({"create": "true", "dir": "/nowhere"}, call)
    with pytest.raises(ResourceError, match="No such file or directory: no-such-shell"):
        LocalCommand().create({"create": "true", "interpreter": ["no-such-shell"]}, call)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [("none", []), ("stdout", ["a", "b"]), ("stderr", ["c"]), (None, ["a", "b", "c"])],
)
def test_logging(choice: str | None, shown: list[str], call: Call) -> None:
    lines: list[str] = []
    call.log = lines.append
    LocalCommand().create({"create": "printf 'a\\nb'; echo c >&2", "logging": choice}, call)
    assert sorted(lines) == shown


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_what_is_given_up_is_ended_with_its_children(how: str, call: Call, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    handles: list[int] = []

    def give_up() -> None:
        handles.extend(os.pidfd_open(int(pid)) for pid in started.read_text().split())
        if how == "cancelled":
            call.cancelled.set()

    reader = threading.Thread(target=give_up)
    reader.start()
    call.timeout = 5.0 if how == "timeout" else 0.0
    with pytest.raises(ResourceError, match=r"cancelled: running|not done after 5 s: running"):
        LocalCommand().create({"create": f"sleep 600 & echo $$ $! > {started}; wait"}, call)
    reader.join(10)
    assert len(handles) == 2
    for handle in handles:
        assert select.select([handle], [], [], 10)[0]  # readable once the process has ended
        os.close(handle)


def test_triggers_replace_and_the_rest_updates(call: Call) -> None:
    old: Props = {"create": "a", "triggers": [1, {"a": 2}]}
    kind = LocalCommand()
    assert not kind.diff(old, {}, old, call).changes
    assert kind.diff(old, {}, {**old, "triggers": [1, {"a": 3}]}, call).changes["triggers[1].a"].replace
    assert kind.diff(old, {}, {**old, "triggers": [UNKNOWN]}, call).changes["triggers[0]"].replace
    assert not kind.diff(old, {}, {**old, "create": "b"}, call).changes["create"].replace


def test_previews_do_not_run_anything(call: Call, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    inputs = {"create": f"touch {marker}", "environment": {"A": UNKNOWN}}
    expected = {**inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
    assert LocalCommand().preview_create(inputs, call) == expected
    assert LocalCommand().preview_update("id", {"stdout": "x", "stderr": ""}, {}, inputs, call) == expected
    assert not marker.exists()


def test_refusals(call: Call) -> None:
    refused = LocalCommand().check(
        {"create": "x", "logging": "loud", "assetPaths": ["*"], "environment": {"A": 1}}, None, call
    )[1]
    assert {failure.property for failure in refused} == {"logging", "assetPaths", "environment.A"}
    with pytest.raises(ResourceError, match="cannot be imported"):
        LocalCommand().read("id", {}, {}, call)


def test_run_function(call: Call) -> None:
    assert run({"command": "echo hi"}, call)["stdout"] == "hi"
    with pytest.raises(ResourceError, match="command: missing"):
        run({}, call)
