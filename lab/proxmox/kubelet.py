"""The kubelet of a guest: runs static pods as processes, and keeps its Node alive.

A static pod's container becomes the program of the same name from the lab's tools, started in the
guest's sandbox. Other pods are played by kwok, itself a static pod. What this does not do: probes,
volumes, init containers, several containers in one pod, mirror pods.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from lab.proxmox import node
from lab.proxmox.sandbox import ended

POLL = 0.25
"""Seconds between two looks at the manifests (the real kubelet: 20)."""
BACKOFF_FIRST, BACKOFF_MAX = 0.5, 20.0
"""Seconds before a program that died starts again; doubled each time."""
STABLE = 60.0
"""Seconds after which a program that dies is no longer failing from its start."""
TAIL = 15
"""Lines of a dead program's log that are shown."""
BIN = "/opt/bin"
"""Where the guest sees the programs of static pods."""


class Guest(Protocol):
    """What the kubelet needs of the guest that it runs in."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def root(self) -> Path: ...

    def wrap(self, argv: Sequence[str], *, binds: Mapping[Path, str]) -> list[str]: ...


class PodError(Exception):
    """A static pod that cannot be started, as the real kubelet would say it."""


@dataclass(frozen=True)
class StaticPod:
    """One manifest."""

    name: str
    image: str
    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> StaticPod:
        """Read a manifest.

        Raises:
            PodError: it is no pod, or uses what this kubelet does not model.
        """
        try:
            pod = yaml.safe_load(text)
            containers = pod["spec"]["containers"]
            if pod["kind"] != "Pod" or len(containers) != 1 or pod["spec"].get("initContainers"):
                raise PodError("a Pod of one container was expected")
            (container,) = containers
            command = (*container["command"], *container.get("args", ()))
            return cls(pod["metadata"]["name"], container["image"], tuple(str(word) for word in command))
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise PodError(f"not a pod manifest: {error}") from None

    @property
    def version(self) -> str:
        """Version that the image's tag asks for, without `v`."""
        return self.image.rpartition(":")[2].removeprefix("v")


class Kubelet:
    """Runs until cancelled; then ends all that it started.

    Args:
        guest: The guest.
        tools: Folders of the machine with the programs that images are replaced by.
    """

    def __init__(self, guest: Guest, tools: Sequence[Path]) -> None:
        self._guest = guest
        self._tools = tools
        self._pods: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._refused: dict[str, str] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.keep(self._guest, self._log))
            try:
                while True:
                    await self._sync(tasks)
                    await asyncio.sleep(POLL)
            finally:
                for _, task in self._pods.values():
                    task.cancel()

    async def _sync(self, tasks: asyncio.TaskGroup) -> None:
        """Make what runs agree with the manifests."""
        wanted = dict(self._manifests())
        for name, (text, task) in list(self._pods.items()):
            if wanted.get(name) != text:
                del self._pods[name]
                task.cancel()
                await asyncio.wait([task])
        for name, text in wanted.items():
            if name not in self._pods and self._refused.get(name) != text:
                try:
                    pod = StaticPod.parse(text)
                except PodError as error:
                    self._refused[name] = text
                    self._log(f"{name}: {error}")
                    continue
                self._pods[name] = text, tasks.create_task(self._keep_running(pod))

    def _manifests(self) -> Iterator[tuple[str, str]]:
        for path in sorted((self._guest.root / "etc/kubernetes/manifests").glob("[!.]*.yaml")):
            # It may go between the listing and the reading.
            with contextlib.suppress(FileNotFoundError):
                yield path.name, path.read_text()

    async def _keep_running(self, pod: StaticPod) -> None:
        """Start a pod's program again whenever it ends."""
        delay = BACKOFF_FIRST
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._run(pod)
            except (PodError, OSError) as error:
                self._log(f"{pod.name}: {error}")
            if asyncio.get_running_loop().time() - started > STABLE:
                delay = BACKOFF_FIRST
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACKOFF_MAX)

    async def _run(self, pod: StaticPod) -> None:
        """Run a pod's program to its end."""
        binary = await self._pull(pod)
        log = self._guest.root / "var/log/pods" / f"{pod.name}.log"
        process = self._start(pod, binary, log)
        self._log(f"{pod.name}: started {binary.name} {pod.version}")
        try:
            await ended(process)
        finally:
            # The sandbox takes with it what runs inside.
            process.kill()
            code = process.wait()
        tail = log.read_text(errors="replace").splitlines()[-TAIL:]
        raise PodError("\n  ".join([f"ended with code {code}; its last lines:", *tail]))

    def _start(self, pod: StaticPod, binary: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a pod's program in the guest, from the loop's thread: it dies with the thread that started it."""
        target = f"{BIN}/{binary.name}"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(
                self._guest.wrap([target, *pod.command[1:]], binds={binary: target}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _pull(self, pod: StaticPod) -> Path:
        """The program that an image is replaced by, of the version that the tag asks for."""
        name, others = Path(pod.command[0]).name, list[str]()
        for program in [folder / name for folder in self._tools if os.access(folder / name, os.X_OK)]:
            said = await asyncio.to_thread(_version, program)
            if pod.version in said:
                return program
            others += said.splitlines()[:1]
        if others:
            raise PodError(f"ErrImagePull: {pod.image} was asked for; the lab has {others}")
        raise PodError(f"ErrImagePull: the lab has no program {name} for {pod.image}")

    def _log(self, message: str) -> None:
        print(f"kubelet of {self._guest.name}: {message}", file=sys.stderr, flush=True)


def _version(program: Path) -> str:
    """What a program says of itself."""
    ended = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr
