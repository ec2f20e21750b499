"""Static pods of a guest, run from stand-ins for the control plane's programs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.proxmox import kubelet
from lab.proxmox.kubelet import Kubelet

PROGRAM = """#!/bin/sh
[ "$1" = --version ] && echo "Kubernetes v{version}" && exit
echo "$$ $*" >> {log}
{then}
"""
DEADLINE = 10


class Guest:
    """A guest without a sandbox: what it runs is bound from the machine anyway."""

    name = "paris-masters-1"
    address = "127.0.0.1"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests = root / "etc/kubernetes/manifests"
        self.manifests.mkdir(parents=True)

    def wrap(self, argv: Sequence[str], *, binds: Mapping[Path, str]) -> list[str]:
        program = {target: str(source) for source, target in binds.items()}
        return [program[argv[0]], *argv[1:]]

    def write(self, command: str, image: str = "registry.k8s.io/kube-apiserver:v1.35.4", name: str = "api") -> Path:
        containers = f"[{{name: {name}, image: '{image}', command: [{command}]}}]"
        text = f"{{kind: Pod, metadata: {{name: {name}}}, spec: {{containers: {containers}}}}}"
        path = self.manifests / f"{name}.yaml"
        path.write_text(text)
        return path


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - it sets no event here
            await asyncio.sleep(0.02)


class Tools:
    """A folder with one program that logs its process id and arguments."""

    def __init__(self, folder: Path, then: str = "exec sleep 1000", version: str = "1.35.4") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        program = folder / "kube-apiserver"
        program.write_text(PROGRAM.format(log=self.log, then=then, version=version))
        program.chmod(0o755)

    async def started(self, count: int) -> list[tuple[int, str]]:
        """Wait until the program was started `count` times: (process id, arguments)."""
        await until(lambda: len(self.log.read_text().splitlines()) >= count)
        lines = self.log.read_text().splitlines()
        return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    monkeypatch.setattr(kubelet, "POLL", 0.02)
    monkeypatch.setattr(kubelet, "BACKOFF_FIRST", 0.02)
    return Guest(tmp_path / "root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@asynccontextmanager
async def running(guest: Guest, *tools: Tools) -> AsyncIterator[None]:
    task = asyncio.create_task(Kubelet(guest, [each.folder for each in tools]).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def said(capsys: pytest.CaptureFixture[str], text: str) -> str:
    """Wait until the kubelet has logged `text`; all that it logged."""
    log: list[str] = []

    def heard() -> bool:
        log.append(capsys.readouterr().err)
        return text in "".join(log)

    await until(heard)
    return "".join(log)


def test_a_pod_runs_until_the_guest_stops(guest: Guest, folder: Path) -> None:
    async def scenario() -> None:
        tools = Tools(folder)
        async with running(guest, tools):
            guest.write("kube-apiserver, --secure-port=6443")
            ((pid, arguments),) = await tools.started(1)
            assert arguments == "--secure-port=6443"
            assert alive(pid)
        assert not alive(pid)

    asyncio.run(scenario())


def test_a_pod_ends_with_its_manifest_and_a_changed_one_starts_again(guest: Guest, folder: Path) -> None:
    async def scenario() -> None:
        tools = Tools(folder)
        async with running(guest, tools):
            guest.write("kube-apiserver, --v=1")
            first, _ = (await tools.started(1))[0]
            manifest = guest.write("kube-apiserver, --v=2")
            second, arguments = (await tools.started(2))[1]
            assert arguments == "--v=2"
            assert not alive(first)
            manifest.unlink()
            await until(lambda: not alive(second))

    asyncio.run(scenario())


def test_an_image_of_another_version_is_another_program(guest: Guest, folder: Path) -> None:
    async def scenario() -> None:
        new, former = Tools(folder), Tools(folder.with_name("former"), version="1.34.5")
        async with running(guest, new, former):
            guest.write("kube-apiserver", "registry.k8s.io/kube-apiserver:v1.34.5")
            ((pid, _),) = await former.started(1)
            assert not new.log.read_text()
            guest.write("kube-apiserver")
            await new.started(1)
            assert not alive(pid)

    asyncio.run(scenario())


def test_a_program_that_dies_starts_again_and_its_last_lines_are_shown(
    guest: Guest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        tools = Tools(folder, then="echo cannot bind >&2; exit 3")
        guest.write("kube-apiserver")
        async with running(guest, tools):
            await tools.started(3)
            log = await said(capsys, "ended with code 3")
            assert "cannot bind" in log

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("command", "image", "text"),
    [
        (
            "kube-apiserver",
            "registry.k8s.io/kube-apiserver:v1.36.0",
            "ErrImagePull: registry.k8s.io/kube-apiserver:v1.36.0",
        ),
        ("coredns", "registry.k8s.io/coredns:v1.12.0", "ErrImagePull: the lab has no program coredns"),
    ],
)
def test_an_image_that_the_lab_does_not_have_is_not_pulled(
    command: str, image: str, text: str, guest: Guest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        tools = Tools(folder)
        guest.write(command, image)
        async with running(guest, tools):
            await said(capsys, text)
        assert not tools.log.read_text()

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["{", "kind: Pod", "kind: Service\nspec: {containers: [1]}", "[]"])
def test_what_is_no_pod_is_said_and_others_run(
    text: str, guest: Guest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        tools = Tools(folder)
        (guest.manifests / "bad.yaml").write_text(text)
        guest.write("kube-apiserver")
        async with running(guest, tools):
            await tools.started(1)
            await said(capsys, "kubelet of paris-masters-1: bad.yaml: ")

    asyncio.run(scenario())
