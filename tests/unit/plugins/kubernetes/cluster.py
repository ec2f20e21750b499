"""A real control plane on loopback: etcd, API server, controllers, with nodes and Pods played by kwok."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import yaml

from lab.authority import Authority
from lab.plugins.kubernetes.api import Api, ApiError, Unreachable
from lab.plugins.kubernetes.kubeconfig import Kubeconfig
from lab.toolchain.resolve import Toolchain

ADDRESS = "127.86.0.1"
TOKEN = "not-a-secret-of-anyone"
START_SECONDS = 120.0
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kwok", "helm")


def find_tools() -> dict[str, Path]:
    return {name: tool.path for name, tool in Toolchain().ensure(TOOLS).items()}


@contextmanager
def cluster(home: Path, tools: dict[str, Path]) -> Iterator[str]:
    """A running cluster without nodes or a scheduler. Yields the text of the administrator's kubeconfig."""
    certificate, key = Authority(home).issue(home, IPv4Address(ADDRESS))
    etcd, peer, port = free_port(), free_port(), free_port()
    text = _kubeconfig(f"https://{ADDRESS}:{port}", home / "ca.pem")
    (home / "kubeconfig").write_text(text)
    (home / "tokens").write_text(f"{TOKEN},admin,admin,system:masters\n")
    (home / "stages.yaml").write_text((Path(__file__).parent / "stages.yaml").read_text())
    account_key = home / "tls.key"
    commands = {
        "etcd": [
            f"--data-dir={home}/etcd",
            f"--listen-client-urls=http://{ADDRESS}:{etcd}",
            f"--advertise-client-urls=http://{ADDRESS}:{etcd}",
            f"--listen-peer-urls=http://{ADDRESS}:{peer}",
            f"--initial-advertise-peer-urls=http://{ADDRESS}:{peer}",
            f"--initial-cluster=default=http://{ADDRESS}:{peer}",
            "--unsafe-no-fsync",
        ],
        "kube-apiserver": [
            f"--etcd-servers=http://{ADDRESS}:{etcd}",
            f"--bind-address={ADDRESS}",
            f"--advertise-address={ADDRESS}",
            f"--secure-port={port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--token-auth-file={home}/tokens",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.233.0.0/18",
            f"--service-account-key-file={certificate}",
            f"--service-account-signing-key-file={account_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={home}/kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={account_key}",
            f"--root-ca-file={home}/ca.pem",
            # Nobody renews the leases of these nodes.
            "--node-monitor-grace-period=10h",
        ],
        "kwok": [f"--kubeconfig={home}/kubeconfig", "--manage-all-nodes=true", f"--config={home}/stages.yaml"],
    }
    with ExitStack() as stack:
        for name, arguments in commands.items():
            process = stack.enter_context(_running([str(tools[name]), *arguments], home / f"{name}.log"))
            if name == "kube-apiserver":
                _await_server(Api(Kubeconfig.load(text)), process)
        yield text


def _kubeconfig(server: str, authority: Path) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(authority)}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
    )


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
            assert process.poll() is None, f"{command[0]} ended early: {log.read_text()[-2000:]}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await_server(api: Api, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    pause = threading.Event()
    while True:
        try:
            api.get("/api/v1/namespaces/default")
            api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:controller:namespace-controller")
            return
        except (ApiError, Unreachable):
            assert process.poll() is None, "the API server ended: see its log"
            assert time.monotonic() < deadline, "the API server does not come up"
            pause.wait(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
    return port
