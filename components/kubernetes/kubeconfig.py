"""The administrator's kubeconfig: its address, and the proof that it works."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography import x509

READY_TIMEOUT = 120.0
"""Seconds that the API server may take to answer at its virtual address once the playbook has ended."""
RENEWAL = timedelta(days=60)
"""kubeadm's certificates end after a year. The control plane renews its own each month, and nobody the copy of this one
that a playbook has brought back; so it is fetched anew when less than this remains."""


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used. Never quotes its content."""


def with_server(text: str, server: str) -> str:
    """The kubeconfig `text` with `server` (URL) as the address of its current cluster.

    Kubespray may write a control-plane node's own address, which does not survive that node.

    Raises:
        KubeconfigError: it names no current cluster.
    """
    config = _parse(text)
    _current(config, "cluster")["server"] = server
    return yaml.safe_dump(config, sort_keys=False)


def renewal(text: str, now: datetime | None = None) -> str:
    """Why a kubeconfig is to be fetched anew: its certificate ends within `RENEWAL`, in the second half of its life.

    Args:
        text: Kubeconfig with embedded certificates.
        now: The present time if None.

    Returns:
        The reason; empty if there is none, or no certificate to go by.
    """
    try:
        user = _current(_parse(text), "user")
        certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    except (KubeconfigError, KeyError, ValueError):
        return ""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end - (now or datetime.now(UTC)) >= min(RENEWAL, (end - begin) / 2):
        return ""
    return f"the administrator's certificate ends on {end:%Y-%m-%d}"


def wait_ready(text: str, folder: Path, timeout: float = READY_TIMEOUT) -> None:
    """Wait until the API server answers `/readyz` to this kubeconfig.

    Args:
        text: Kubeconfig with embedded certificates.
        folder: A private folder: the HTTP client reads client certificates from files only.
        timeout: Seconds.

    Raises:
        KubeconfigError: it does not answer well in time.
    """
    with _session(text, folder) as (session, server):
        _poll(session, f"{server}/readyz", time.monotonic() + timeout)


def machines(text: str, folder: Path) -> dict[str, str]:
    """Name of each node of the cluster -> SMBIOS UUID of its machine, in lower case, as its kubelet has told it.

    Args:
        text: Kubeconfig with embedded certificates.
        folder: A private folder, as above.

    Raises:
        KubeconfigError: it cannot be used, or the API server does not answer.
    """
    with _session(text, folder) as (session, server):
        try:
            response = session.get(f"{server}/api/v1/nodes", timeout=30)
            response.raise_for_status()
        except requests.RequestException as error:
            raise KubeconfigError(f"The cluster does not tell its nodes: {error}") from None
        nodes = response.json()["items"]
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["systemUUID"].lower() for node in nodes}


@contextmanager
def _session(text: str, folder: Path) -> Iterator[tuple[requests.Session, str]]:
    """A client with the kubeconfig's certificates, and the URL of its API server."""
    config = _parse(text)
    cluster, user = _current(config, "cluster"), _current(config, "user")
    files = {}
    for name, value in (
        ("ca", cluster.get("certificate-authority-data")),
        ("certificate", user.get("client-certificate-data")),
        ("key", user.get("client-key-data")),
    ):
        if value is None:
            raise KubeconfigError(f"The kubeconfig that the playbook made embeds no {name}.")
        files[name] = folder / f"administrator-{name}.pem"
        files[name].touch(mode=0o600)
        files[name].write_bytes(base64.b64decode(value))
    with requests.Session() as session:
        # Neither a proxy nor another CA of this machine's environment has a say.
        session.trust_env = False
        session.verify, session.cert = str(files["ca"]), (str(files["certificate"]), str(files["key"]))
        yield session, cluster["server"]


def _poll(session: requests.Session, url: str, deadline: float) -> None:
    while True:
        try:
            response = session.get(url, timeout=5)
            if response.ok:
                return
            problem = f"HTTP {response.status_code}: {response.text.strip()[:300]}"
        except requests.RequestException as error:
            problem = str(error)
        if time.monotonic() >= deadline:
            raise KubeconfigError(
                f"{url} does not answer as it should with the kubeconfig that the playbook made: {problem}\n"
                "Check that the virtual address is reachable from here, and that nothing else uses it."
            )
        time.sleep(0.5)


def _parse(text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict):
        raise KubeconfigError("The playbook's artifacts/admin.conf is not a kubeconfig.")
    return config


def _current(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """The cluster or user of the current context."""
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        found = _named(config[f"{kind}s"], context[kind])[kind]
    except (KeyError, TypeError, StopIteration):
        found = None
    if not isinstance(found, dict):
        raise KubeconfigError(f"The playbook's artifacts/admin.conf names no {kind} in its current context.")
    return found


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)
