"""The Node object of a guest: registered once `kubelet.conf` is there, then kept alive by its lease.

A guest that is off renews nothing, so the cluster's own controllers find its Node not ready, as
they would a real one. Its size is what the guest's kernel says: the machine that the lab runs on.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import requests
import yaml

POLL = 0.25
"""Seconds between two looks for kubelet.conf, and between two attempts to register."""
LEASE_DURATION = 40
"""Seconds, as the real kubelet's default."""
RENEWAL, RETRY = 10.0, 1.0
"""Seconds between two renewals, and after one that failed."""
TIMEOUT = 5.0
STARTS_FROM = ("etc/kubernetes/kubelet.conf", "etc/kubernetes/kubelet.env", "etc/kubernetes/kubelet-config.yaml")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""`uname -m` -> Go's name."""

Object = dict[str, Any]


class Guest(Protocol):
    @property
    def root(self) -> Path: ...


async def keep(guest: Guest, log: Callable[[str], None]) -> None:
    """Register the guest's Node and renew its lease, until cancelled.

    As a service that is restarted would, it begins anew when what it starts from changes (an upgrade), and
    rests while that is missing (a machine that is reset).
    """
    boot = str(uuid.uuid4())
    while True:
        if (configured := _configured(guest.root)) is None:
            await asyncio.sleep(POLL)
            continue
        task = asyncio.create_task(_serve(guest, boot, log))
        try:
            while _configured(guest.root) == configured:
                for done in (await asyncio.wait([task], timeout=POLL))[0]:
                    done.result()  # It only ends by an error.
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _serve(guest: Guest, boot: str, log: Callable[[str], None]) -> None:
    problem = ""
    while True:
        try:
            node = await asyncio.to_thread(Node, guest.root, boot)
            await asyncio.to_thread(node.register)
            break
        except (requests.RequestException, OSError, ValueError) as error:
            # The API server comes up after the first kubelets: only what is new is worth a line.
            if type(error).__name__ != problem:
                problem = type(error).__name__
                log(f"node not registered yet: {error}")
            await asyncio.sleep(POLL)
    log(f"node {node.name} registered")
    while True:
        try:
            await asyncio.to_thread(node.renew)
            problem, pause = "", RENEWAL
        except (requests.RequestException, OSError) as error:
            if type(error).__name__ != problem:
                problem = type(error).__name__
                log(f"lease of node {node.name} not renewed: {error}")
            pause = RETRY
        await asyncio.sleep(pause)


def _configured(root: Path) -> tuple[int, ...] | None:
    """When each file was written that the kubelet starts from; None while one is missing."""
    try:
        return tuple((root / path).stat().st_mtime_ns for path in STARTS_FROM)
    except FileNotFoundError:
        return None


class Node:
    """A Node and the credentials to maintain it.

    Args:
        root: The guest's file system.
        boot: Identifies this boot.

    Raises:
        OSError: a file that kubelet.conf names is missing.
        ValueError: a configuration file is not what the kubelet takes.
    """

    def __init__(self, root: Path, boot: str) -> None:
        self._root = root
        self._boot = boot
        environment = dict(word.split("=", 1) for word in shlex.split(self._text("etc/kubernetes/kubelet.env")))
        words = [word for value in environment.values() for word in value.split()]
        flags = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
        try:
            self.name, self._address = flags["hostname-override"], flags["node-ip"]
            self._version = environment["KUBELET_VERSION"]
            self._config = self._yaml(flags["config"])
            self._session, self._server = self._connect(self._yaml(flags["kubeconfig"]))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the kubelet's configuration lacks {error}") from None

    def register(self) -> None:
        """Create the Node unless it is there, then report its state.

        Raises:
            requests.RequestException: the API server is away or refuses.
        """
        response = self._call("POST", "/api/v1/nodes", self._object())
        if response.status_code != requests.codes.conflict:
            response.raise_for_status()
        path = f"/api/v1/nodes/{self.name}/status"
        self._call("PATCH", path, {"status": self._status()}).raise_for_status()

    def renew(self) -> None:
        """Renew the Node's lease.

        Raises:
            requests.RequestException: the API server is away or refuses.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": LEASE_DURATION, "renewTime": now}
        response = self._call("PATCH", f"{LEASES}/{self.name}", {"spec": spec})
        if response.status_code == requests.codes.not_found:
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            response = self._call("POST", LEASES, {**kind, "metadata": {"name": self.name}, "spec": spec})
        response.raise_for_status()

    def _object(self) -> Object:
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _architecture(),
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": _architecture(),
        }
        spec = {"taints": self._config.get("registerWithTaints", [])}
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": labels}, "spec": spec}

    def _status(self) -> Object:
        return {
            "addresses": [
                {"type": "InternalIP", "address": self._address},
                {"type": "Hostname", "address": self.name},
            ],
            "capacity": self._capacity(),
            "allocatable": self._capacity(),
            "conditions": _conditions(),
            "nodeInfo": self._info(),
        }

    def _capacity(self) -> Object:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {
            "cpu": str(os.cpu_count()),
            "memory": f"{memory // 1024}Ki",
            "ephemeral-storage": f"{shutil.disk_usage(self._root).total // 1024}Ki",
            "pods": str(self._config.get("maxPods", 110)),
        }

    def _info(self) -> Object:
        machine_id = self._text("etc/machine-id").strip()
        release = dict(line.split("=", 1) for line in self._text("etc/os-release").splitlines() if "=" in line)
        return {
            "architecture": _architecture(),
            "bootID": self._boot,
            # Pods of a lab cluster are played.
            "containerRuntimeVersion": "kwok://played",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": self._version,
            "machineID": machine_id,
            "operatingSystem": "linux",
            "osImage": release.get("PRETTY_NAME", "").strip('"'),
            "systemUUID": str(uuid.UUID(machine_id)),
        }

    def _connect(self, kubeconfig: Object) -> tuple[requests.Session, str]:
        cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
        session = requests.Session()
        # The environment's proxies and CA bundle are the lab's machine's, not the guest's.
        session.trust_env = False
        session.verify = str(self._path(cluster["certificate-authority"]))
        session.cert = str(self._path(user["client-certificate"])), str(self._path(user["client-key"]))
        return session, cluster["server"]

    def _call(self, method: str, path: str, body: Object) -> requests.Response:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        return self._session.request(
            method, self._server + path, json=body, headers={"Content-Type": kind}, timeout=TIMEOUT
        )

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _text(self, path: str) -> str:
        return self._path(path).read_text()

    def _yaml(self, path: str) -> Object:
        content = yaml.safe_load(self._text(path))
        if not isinstance(content, Mapping):
            raise ValueError(f"{path} is no YAML mapping")
        return dict(content)


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _conditions() -> list[Object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": f"kubelet has {message}",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, status, reason, message in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
            ("Ready", "True", "KubeletReady", "posted ready status"),
        )
    ]
