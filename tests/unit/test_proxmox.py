"""The program's own Proxmox VE calls against a real HTTP API."""

import threading
from typing import Any

import pytest
from fakepve.model import PveError
from proxmoxer import ProxmoxAPI

from components import proxmox
from components.proxmox import ApiError, client, find_named, find_vm, has_file, remove_vm
from tests.unit.proxmox_server import ProxmoxServer


@pytest.fixture
def server(serve_proxmox: Any) -> Any:
    return serve_proxmox(ProxmoxServer())


@pytest.fixture
def api(server: Any, proxmox_token: str) -> ProxmoxAPI:
    server.add_vm(2101, "paris-masters-1", node="pve2", status="running")
    server.add_vm(2007, "paris-debian-12", template=True)
    return client(server.url, proxmox_token, insecure=False)


def test_find_vm(api: ProxmoxAPI) -> None:
    assert find_vm(api, 2101) == proxmox.Vm(2101, "paris-masters-1", "pve2", template=False, running=True, lock=None)
    template = find_vm(api, 2007)
    assert template is not None
    assert template.template
    assert find_vm(api, 100) is None


def test_a_container_is_found_too(api: ProxmoxAPI, server: Any) -> None:
    server.add_ct(2102, "mail")
    assert find_vm(api, 2102) == proxmox.Vm(2102, "mail", "pve1", template=False, running=False, lock=None)


def test_a_vm_that_goes_while_it_is_looked_at(api: ProxmoxAPI, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise PveError(500, "Configuration file 'nodes/pve2/qemu-server/2101.conf' does not exist")

    monkeypatch.setattr(server, "find", gone)
    assert find_vm(api, 2101) is None


def test_remove_vm(api: ProxmoxAPI, server: Any) -> None:
    remove_vm(api, 2101)
    remove_vm(api, 2101)
    assert server.vm(2101) is None


def test_a_refused_removal_is_tried_again(api: ProxmoxAPI, server: Any) -> None:
    server.fail("DELETE", "/qemu/2101", 500, "VM is locked", times=1)
    remove_vm(api, 2101)
    assert server.vm(2101) is None


def test_find_named(api: ProxmoxAPI, server: Any) -> None:
    server.add_vm(4711, "paris-debian-12", node="pve2")
    server.add_ct(2102, "paris-debian-12")
    assert [(vm.vm_id, vm.template) for vm in find_named(api, "paris-debian-12")] == [(2007, True), (4711, False)]
    assert find_named(api, "lille-debian-12") == []


def test_what_is_on_a_node_that_is_away_has_no_name(api: ProxmoxAPI, server: Any) -> None:
    server.set_node_offline("pve2")
    assert find_named(api, "paris-masters-1") == []


def test_a_locked_vm_is_waited_for(api: ProxmoxAPI, server: Any) -> None:
    server.snapshot_lock(2101, "clone")
    removal = threading.Thread(target=remove_vm, args=(api, 2101))
    removal.start()
    server.unlock(2101)
    removal.join(10)
    assert server.vm(2101) is None


def test_a_vm_that_stays_locked(api: ProxmoxAPI, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxmox, "TASK_TIMEOUT", 0)
    server.snapshot_lock(2101, "backup")
    with pytest.raises(ApiError, match=r"VM 2101 on node pve2 is still locked \(backup\)"):
        remove_vm(api, 2101)


def test_a_protected_vm_stays(api: ProxmoxAPI, server: Any) -> None:
    server.vm(2007).config["protection"] = 1
    with pytest.raises(ApiError, match="can't remove VM 2007 - protection mode enabled"):
        remove_vm(api, 2007)


def test_a_failed_task_says_why(api: ProxmoxAPI, server: Any) -> None:
    server.vm(2101).start_error = "no memory"
    server.vm(2101).status = "stopped"
    upid = api.nodes("pve2").qemu(2101).status.start.post()
    with pytest.raises(ApiError, match="the task qmstart 2101 on node pve2 failed: no memory"):
        proxmox.wait_for_task(api, upid)


def test_has_file(api: ProxmoxAPI, server: Any) -> None:
    server.store_file("local", "debian.iso", 7)
    assert has_file(api, "pve1", "local:iso/debian.iso")
    assert not has_file(api, "pve1", "local:iso/ubuntu.iso")
    with pytest.raises(ApiError, match="storage 'nowhere' does not exist"):
        has_file(api, "pve1", "nowhere:iso/debian.iso")


@pytest.mark.parametrize("token", ["top-secret", "user@pve=top-secret", "user!id=top-secret", "user@pve!id"])
def test_a_malformed_token_is_not_shown(token: str) -> None:
    with pytest.raises(ApiError, match="must have the form user@realm!tokenid=uuid") as failure:
        client("https://127.84.255.1:8006", token, insecure=False)
    assert "top-secret" not in str(failure.value)


def test_refused_token(api: ProxmoxAPI, server: Any) -> None:
    with pytest.raises(ApiError, match="HTTP 401") as failure:
        find_vm(client(server.url, "oss-nextgen@pve!pulumi=wrong", insecure=False), 1)
    assert failure.value.status == 401


def test_insecure(server: Any, api: ProxmoxAPI, proxmox_token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
        find_vm(client(server.url, proxmox_token, insecure=False), 1)
    with pytest.warns(match="Unverified HTTPS request"):
        assert find_vm(client(server.url, proxmox_token, insecure=True), 1) is None
