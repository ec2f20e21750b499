"""From an installation medium to running clones, over the API and over SSH."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import asyncssh
import pytest
from proxmoxer import ResourceException

from tests.unit.proxmox.login import PUBLIC_KEY, clone, output, remove, ssh
from tests.unit.proxmox.running import GOLDEN, PASSWORD, USER, Files, Service, eventually

# ----------------------------------------------------------------------------- installer


def test_installer_fetches_the_preseed_from_the_vms_own_address(service: Service, golden: int, files: Files) -> None:
    assert ("/preseed.cfg", f"{service.config['network']}".replace(".0/24", ".100")) in files.seen


def test_installer_that_would_ask_says_so_and_nothing_boots(service: Service, golden: int, files: Files) -> None:
    files.files["/broken.cfg"] = b"d-i passwd/username string ossng\n"
    node = service.api.nodes("pve1")
    service.ok(node.qemu.post(vmid=901, agent=1, scsi0="local-lvm:20", net0="virtio,bridge=vmbr0", name="broken",
                              ide2="local:iso/debian-12.12.0-amd64-netinst.iso,media=cdrom"))  # fmt: skip
    service.ok(node.qemu(901).status.start.post())
    service.type(901, f"auto url={files.url}/broken.cfg")
    eventually(lambda: "VM 901 broken installer stopped: " in service.log.read_text(), "the installer stops")
    assert "partman" in service.log.read_text()
    with pytest.raises(ResourceException, match="QEMU guest agent is not running"):
        node.qemu(901).agent("network-get-interfaces").get()
    remove(service, 901)


# -------------------------------------------------------------------------------- clones


def test_six_clones_boot_each_with_an_identity_of_its_own(service: Service, golden: int) -> None:
    vmids = range(1010, 1016)
    upids = [service.vm(GOLDEN).clone.post(newid=vmid, name=f"paris-masters-{vmid}", full=1) for vmid in vmids]
    for vmid, upid in zip(vmids, upids, strict=True):
        service.ok(upid)
        service.vm(vmid).config.put(ciuser=USER, sshkeys=quote(PUBLIC_KEY, safe=""), ipconfig0="ip=dhcp")
    for upid in [service.vm(vmid).status.start.post() for vmid in vmids]:
        service.ok(upid)
    addresses = [service.ipv4(vmid) for vmid in vmids]
    assert len(set(addresses)) == 6
    for file in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/var/lib/cloud/data/instance-id"):
        assert len({output(address, f"cat {file}") for address in addresses}) == 6, file
    assert output(addresses[0], "hostname; cat /etc/hostname").split() == ["paris-masters-1010"] * 2
    assert output(addresses[0], "cloud-init status --wait") == "status: done"
    for vmid in vmids:
        remove(service, vmid)


def test_agent_reports_the_vms_own_mac_and_addresses(service: Service, clone_address: str) -> None:
    cards = service.vm(1000).agent("network-get-interfaces").get()["result"]
    assert [card["name"] for card in cards] == ["lo", "ens18"]
    assert cards[1]["hardware-address"] == "02:00:00:00:10:00"
    assert [ip["ip-address"] for ip in cards[1]["ip-addresses"]] == [clone_address, "fe80::ff:fe00:1000"]
    assert service.vm(1000).agent("get-host-name").get()["result"]["host-name"] == "paris-workers-1000"
    assert service.vm(1000).agent("get-osinfo").get()["result"]["pretty-name"] == "Debian GNU/Linux 12 (bookworm)"


def test_lsblk_tells_the_type_of_the_partition_table_and_nothing_else(service: Service, clone_address: str) -> None:
    """The installer that wrote the template's disk was not told to make a GPT."""
    assert output(clone_address, "lsblk --noheadings --nodeps --output PTTYPE /dev/sda") == "dos"
    with pytest.raises(asyncssh.ProcessError) as failure:
        output(clone_address, "lsblk")
    assert "the lab models --noheadings --nodeps --output PTTYPE /dev/sda" in str(failure.value.stderr)


def test_agent_that_the_vm_does_not_enable_is_not_there(service: Service, golden: int) -> None:
    clone(service, 1020, agent=0)
    with pytest.raises(ResourceException, match="No QEMU guest agent configured"):
        service.vm(1020).agent("network-get-interfaces").get()
    remove(service, 1020)


# ------------------------------------------------------------------------------ lifecycle


def test_power_off_ends_sshd_agent_and_every_process(service: Service, golden: int) -> None:
    clone(service, 1040)
    address = service.ipv4(1040)

    async def busy(connection: asyncssh.SSHClientConnection) -> None:
        process = await connection.create_process("echo up; exec sleep 4711")
        assert (await process.stdout.readline()).strip() == "up"
        await asyncio.to_thread(lambda: service.ok(service.vm(1040).status.stop.post()))
        await connection.wait_closed()

    ssh(address, busy)
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x004711" in _read(p)]
    with pytest.raises(OSError, match="Connect call failed"):
        output(address, "true")
    with pytest.raises(ResourceException, match="QEMU guest agent is not running"):
        service.vm(1040).agent.ping.post()
    service.ok(service.vm(1040).status.start.post())
    assert service.ipv4(1040) == address, "the lease holds"
    remove(service, 1040)
    assert not (Path(str(service.config["state"])) / "guests/1040").exists()


def test_changed_cloud_init_configuration_is_a_new_instance(service: Service, golden: int) -> None:
    clone(service, 1050)
    address = service.ipv4(1050)
    host_key, machine = output(address, "cat /etc/ssh/*.pub"), output(address, "cat /etc/machine-id")
    assert f"uuid={UUID(machine.strip())}" in service.vm(1050).config.get()["smbios1"]
    service.ok(service.vm(1050).status.reboot.post())
    assert output(service.ipv4(1050), "cat /etc/ssh/*.pub") == host_key
    service.vm(1050).config.put(name="renamed")
    service.ok(service.vm(1050).status.reboot.post())
    assert output(service.ipv4(1050), "cat /etc/hostname") == "renamed"
    assert output(address, "cat /etc/ssh/*.pub") != host_key
    assert output(address, "cat /etc/machine-id") == machine
    remove(service, 1050)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_service_that_ends_brings_everything_back(service: Service, clone_address: str, how: signal.Signals) -> None:
    output(clone_address, f"echo kept > after-{how.name}")
    before = service.vm(1000).config.get()
    service.ok(service.vm(GOLDEN).clone.post(newid=1060, name="off", full=1))
    service.end(how)
    with pytest.raises(OSError, match="Connect call failed"):
        output(clone_address, "true")
    service.start()
    assert service.ipv4(1000) == clone_address
    assert service.vm(1000).config.get() == before
    assert output(clone_address, f"cat after-{how.name}") == "kept"
    assert service.vm(1060).status.current.get()["status"] == "stopped"
    assert service.vm(GOLDEN).config.get()["template"] == 1
    assert any(item["content"] == "iso" for item in service.api.nodes("pve1").storage("local").content.get())
    remove(service, 1060)


def test_clone_that_a_kill_interrupts_is_gone_after_the_restart(service: Service, golden: int) -> None:
    service.vm(GOLDEN).clone.post(newid=1070, name="half", full=1)
    service.end(signal.SIGKILL)
    service.start()
    assert 1070 not in [vm["vmid"] for vm in service.api.nodes("pve1").qemu.get()]
    assert "VM 1070 half was half made or half removed" in service.log.read_text()
    clone(service, 1070)
    remove(service, 1070)


def test_log_holds_no_secret(service: Service, clone_address: str) -> None:
    log = service.log.read_text()
    for secret in (service.config["password"], service.config["token"]["secret"], PASSWORD):  # type: ignore[index]  # a JSON object
        assert str(secret) not in log


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
