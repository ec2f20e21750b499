"""The backup server's store, and its copies of zones beside the zones' own servers."""

from __future__ import annotations

import socketserver
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from settings import BackedUpSite, BackupServer, Proxmox
from tests.unit.verify.conftest import MakeStack
from tests.unit.verify.servers import Reply, address, dns_server
from verify import backup_server, names
from verify.checks import CheckFailed, run_all
from verify.names import Server
from verify.stack import Stack

Serve = Callable[[int, Reply], Server]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a name server on an address of a number."""
    monkeypatch.setattr(names, "TIMEOUT", 0.3)
    monkeypatch.setattr(backup_server, "TRANSFER", 0.1)
    with ExitStack() as stack:

        def start(number: int, reply: Reply) -> Server:
            return Server(address=address(number), port=stack.enter_context(dns_server(address(number), reply)))

        yield start


def zone(*serials: int) -> Reply:
    """Authority for any zone: one answer after another has these serials, then the last one."""
    left = list(serials)

    def reply(query: dns.message.Message, _transport: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        serial = left.pop(0) if len(left) > 1 else left[0]
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, 300, "IN", "SOA", f"ns1.{name} host.{name} {serial} 1 1 1 1"))
        return response

    return reply


def no_copy(query: dns.message.Message, _transport: str) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


def silent(_query: dns.message.Message, _transport: str) -> None:
    return None


def test_a_copy_has_the_serial_of_the_zones_own_server(serve: Serve) -> None:
    secondary, primary = serve(3, zone(7)), serve(4, zone(7))
    assert backup_server.zone_is_copied("ef-fr.dev", secondary, primary) == f"serial 7, as at {primary}"


def test_a_change_has_some_time_to_arrive(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_server, "TRANSFER", 20.0)
    secondary, primary = serve(3, zone(7, 8)), serve(4, zone(8))
    assert backup_server.zone_is_copied("ef-fr.dev", secondary, primary) == f"serial 8, as at {primary}"


def test_a_copy_without_its_primary_is_what_it_is_for(serve: Serve) -> None:
    secondary, primary = serve(3, zone(7)), serve(4, silent)
    found = backup_server.zone_is_copied("ef-fr.dev", secondary, primary)
    assert found.startswith(f"serial 7, with nothing to compare it with: {primary} does not answer")


@pytest.mark.parametrize(
    ("copy", "own", "reason"),
    [
        (zone(7), zone(8), r"has serial 7, and 127\.93\.\d+\.4:\d+ has 8: it is not told of changes"),
        (no_copy, zone(8), r"127\.93\.\d+\.3:\d+ answers SERVFAIL: SOA of ef-fr.dev"),
        (no_copy, silent, r"answers SERVFAIL: .*; nor is there anything to copy: 127\.93\.\d+\.4:\d+ does not answer"),
    ],
    ids=["old", "none", "neither"],
)
def test_what_is_no_copy(serve: Serve, copy: Reply, own: Reply, reason: str) -> None:
    secondary, primary = serve(3, copy), serve(4, own)
    with pytest.raises(CheckFailed, match=reason):
        backup_server.zone_is_copied("ef-fr.dev", secondary, primary)


def filesystem(mountpoint: str, total: int, used: int) -> dict[str, Any]:
    return {"mountpoint": mountpoint, "total-bytes": total * backup_server.GIB, "used-bytes": used * backup_server.GIB}


@pytest.fixture
def kept(stack: MakeStack, proxmox: Any, proxmox_token: str) -> Stack:
    """A backup server whose folder is on a file system of its own, beside a full root."""
    vm = proxmox.add_vm(6101, node="pve1", name="backup-storage-1", config={"agent": "1"}, status="running")
    vm.agent = {"get-fsinfo": [filesystem("/", 10, 10), filesystem("/srv", 100, 80), filesystem("/srv/back", 10, 10)]}
    site = BackedUpSite(networks=(IPv4Network("10.75.10.0/24"),), proxmox_nodes=(), control_plane=())
    return stack(
        {"nodes": [{"role": "storage", "vmId": 6101}]},
        proxmox=Proxmox(endpoint=proxmox.url, nodes=("pve1",), vm_id_base=6000),
        api_token=proxmox_token,
        backup_server=BackupServer(sites={"paris": site}),
    )


def test_a_store_with_room(kept: Stack) -> None:
    assert backup_server.room(kept) == "20 of 100 GiB are free on /srv of backup-storage-1"


def fill(proxmox: Any) -> None:
    proxmox.vm(6101).agent["get-fsinfo"][1]["used-bytes"] += 11 * backup_server.GIB


def stop_agent(proxmox: Any) -> None:
    proxmox.vm(6101).agent = None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (fill, r"9 of 100 GiB are free on /srv of .*: raise diskGib"),
        (stop_agent, "guest agent is not running"),
        (lambda proxmox: proxmox.vms.clear(), "there is no VM 6101"),
    ],
)
def test_a_store_without_room(kept: Stack, proxmox: Any, change: Callable[[Any], None], reason: str) -> None:
    change(proxmox)
    with pytest.raises(CheckFailed, match=reason):
        backup_server.room(kept)


def test_every_zone_of_every_site_is_compared_and_the_store_is_called(
    serve: Serve, stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    secondary, primary = serve(3, zone(7)), serve(4, zone(7))
    site = BackedUpSite(
        networks=(IPv4Network("10.75.10.0/24"),),
        proxmox_nodes=(),
        control_plane=(),
        zones=("ef-fr.dev", "ef-fr.io"),
        dns_address=IPv4Address(primary.address),
        dns_port=primary.port,
    )
    outputs = {"backup": {"server": address(3), "dnsServer": secondary.model_dump()}}
    made = stack(outputs, backup_server=BackupServer(sites={"paris": site}), kubernetes=None, services=None)
    results = run_all(backup_server.copies(made))
    assert [(result.target, result.passed) for result in results] == [("ef-fr.dev", True), ("ef-fr.io", True)]

    with socketserver.TCPServer((address(3), 0), socketserver.BaseRequestHandler) as nfs:
        monkeypatch.setattr(backup_server, "NFS_PORT", nfs.server_address[1])
        assert backup_server.store(made).endswith(" answers")
    with pytest.raises(CheckFailed, match=r"does not answer: Connection refused; see nfs-server"):
        backup_server.store(made)
