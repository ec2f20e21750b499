"""Faults that a test asks for: each holds until the file says something else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from proxmoxer import ResourceException

from lab.proxmox.faults import FILE, FaultFile, Faults, Refusal
from tests.unit.proxmox.login import clone
from tests.unit.proxmox.running import Service, eventually

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def faults(service: Service) -> Iterator[FaultFile]:
    file = FaultFile(service.home / "state")
    yield file
    file.write(Faults())


def refused(call: Any, **values: Any) -> str:
    with pytest.raises(ResourceException) as error:
        call(**values)
    return f"{error.value.status_code} {error.value.content}"


def test_a_call_that_fails_once(service: Service, faults: FaultFile, golden: int) -> None:
    faults.write(Faults(refusals=(Refusal(method="POST", path=f"/qemu/{golden}/clone", message="got timeout"),)))
    assert "got timeout" in refused(service.vm(golden).clone.post, newid=1001)
    service.ok(service.vm(golden).clone.post(newid=1001))
    service.ok(service.vm(1001).delete())


def test_a_vm_that_is_being_cloned_is_locked(service: Service, faults: FaultFile, golden: int) -> None:
    faults.write(Faults(seconds={"qmclone": 5.0}))
    upid = service.vm(golden).clone.post(newid=502, full=1)
    clone = service.vm(502)
    assert clone.config.get()["lock"] == "clone"
    assert "VM is locked (clone)" in refused(clone.config.put, memory=1024)
    assert "VM is locked (clone)" in service.done(clone.status.start.post())
    service.ok(upid)
    service.ok(clone.delete())


def test_a_node_that_is_offline(service: Service, faults: FaultFile) -> None:
    faults.write(Faults(offline=("pve2",)))
    assert refused(service.api.nodes("pve2").qemu.get).startswith("595 ")
    assert service.api.nodes("pve1").qemu.get() is not None
    faults.write(Faults())
    assert service.api.nodes("pve2").qemu.get() == []


def test_a_cluster_without_quorum(service: Service, faults: FaultFile) -> None:
    faults.write(Faults(quorate=False))
    assert "no quorum" in refused(service.api.nodes("pve1").qemu.post, vmid=1002)
    assert service.api.cluster.status.get()[0]["quorate"] == 0


def test_a_right_that_is_withheld(service: Service, faults: FaultFile) -> None:
    faults.write(Faults(withheld=("VM.Allocate",)))
    assert "403 Permission check failed" in refused(service.api.nodes("pve1").qemu.post, vmid=1003)
    held = [name for privileges in service.api.access.permissions.get(path="/vms").values() for name in privileges]
    assert "VM.Audit" in held
    assert "VM.Allocate" not in held


def test_a_slow_network_and_a_slow_task(service: Service, faults: FaultFile, golden: int) -> None:
    faults.write(Faults(latency=0.5, seconds={"qmclone": 0.0}))
    began = time.monotonic()
    service.api.version.get()
    assert time.monotonic() - began >= 0.5
    faults.write(Faults(seconds={"qmclone": 1.0}))
    began = time.monotonic()
    service.ok(service.vm(golden).clone.post(newid=1004))
    assert time.monotonic() - began >= 1.0
    service.ok(service.vm(1004).delete())


def test_a_network_that_drops_requests(service: Service, faults: FaultFile) -> None:
    faults.write(Faults(dropped=1.0))
    with pytest.raises(requests.ConnectionError):
        service.api.version.get()
    faults.write(Faults())
    assert service.api.version.get()


def test_agents_and_ssh(service: Service, faults: FaultFile, golden: int) -> None:
    faults.write(Faults(without_ssh=("paris-workers-1005",)))
    clone(service, 1005)
    address = service.ipv4(1005)
    agent = service.vm(1005).agent("network-get-interfaces")

    faults.write(Faults(agents={"paris-workers-1005": "silent"}))
    assert "QEMU guest agent is not running" in refused(agent.get)
    faults.write(Faults(agents={"paris-workers-1005": "no-ipv4"}))
    assert _addresses(agent.get()) == {"lo": ["127.0.0.1"], "ens18": []}
    faults.write(Faults(agents={"paris-workers-1005": "several"}))
    found = _addresses(agent.get())
    assert list(found) == ["docker0", "cni0", "lo", "ens18"]
    assert found["ens18"] == [address]

    assert not _listens(address)
    service.ok(service.vm(1005).status.reset.post())
    eventually(lambda: _listens(address), "SSH is back")


def test_a_file_that_says_something_else(service: Service, faults: FaultFile) -> None:
    (service.home / "state" / FILE).write_text('{"offlin": []}')
    assert FILE in refused(service.api.version.get)
    faults.write(Faults())
    assert service.api.version.get()


def _addresses(answer: dict[str, Any]) -> dict[str, list[str]]:
    return {
        one["name"]: [ip["ip-address"] for ip in one["ip-addresses"] if ip["ip-address-type"] == "ipv4"]
        for one in answer["result"]
    }


def _listens(address: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex((address, 2222)) == 0
