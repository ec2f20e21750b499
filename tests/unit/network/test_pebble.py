"""The lab's Let's Encrypt, as a process of the lab."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import requests
from cryptography import x509

from lab.authority import Authority
from lab.layout import Lab
from lab.pebble import Pebble
from lab.services import network
from lab.toolchain import Toolchain
from tests.unit.network.conftest import BLOCK, host


def test_answers_over_the_labs_tls_and_keeps_the_root_of_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, BLOCK)
    server = Pebble(tmp_path / "pebble", IPv4Address(host(4)))
    monkeypatch.setattr(network, "acme", lambda _: server)
    folder = Toolchain().ensure(["pebble"])["pebble"].path.parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    service = network.pebble(lab, {})
    for starts in (1, 2):
        assert service.start()
        try:
            directory = requests.get(server.directory, timeout=5, verify=str(Authority(lab.home).bundle)).json()
            assert directory["newOrder"].startswith(f"https://{host(4)}:14000/")
            assert "renewalInfo" in directory
            roots = x509.load_pem_x509_certificates(server.roots.read_bytes())
            assert len({root.serial_number for root in roots}) == starts
            assert not service.start()
        finally:
            service.stop()
