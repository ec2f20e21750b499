"""Leases, boot order, accounts, cloud-init and saved state, each by itself."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from lab.proxmox import cloudinit, state
from lab.proxmox.accounts import (
    Account,
    account,
    key_login,
    key_matches,
    password_login,
    password_matches,
)
from lab.proxmox.agent import enabled, link_local
from lab.proxmox.firmware import Boot, boot_source, cloud_init_drive, network_card
from lab.proxmox.leases import Leases, RangeExhausted
from tests.unit.proxmox.running import PASSWORD, PASSWORD_HASH

SHA512 = "$6$saltsalt$CYKCUk3wfgAfOLU1N7LBdAOcnz7MHa8PPC6Qvzg2SE3emUjQnShp9I47xqbIijxhGRW/PXlgS02HgDVtAuivQ/"
ISO = "local:iso/debian.iso,media=cdrom"
CLOUD_INIT = "local-lvm:vm-100-cloudinit,media=cdrom"
DISK = "local-lvm:vm-100-disk-0,size=20G"


def leases(path: Path) -> Leases:
    return Leases(IPv4Address("127.82.1.100"), IPv4Address("127.82.1.102"), path / "leases.json")


def test_lease_is_kept_over_a_restart(tmp_path: Path) -> None:
    first = leases(tmp_path).lease("02:00:00:00:00:01", ["02:00:00:00:00:01"])
    assert leases(tmp_path).lease("02:00:00:00:00:02", []) == first + 1
    assert leases(tmp_path).lease("02:00:00:00:00:01", []) == first


def test_full_range_gives_away_what_ran_out_and_nothing_else(tmp_path: Path) -> None:
    dhcp, macs = leases(tmp_path), [f"02:00:00:00:00:0{n}" for n in range(5)]
    held = [dhcp.lease(mac, macs[:3]) for mac in macs[:3]]
    with pytest.raises(RangeExhausted, match="no DHCP lease is left"):
        dhcp.lease(macs[3], macs[:4])
    assert dhcp.lease(macs[3], [macs[0].lower(), macs[2], macs[3]]) == held[1]


@pytest.mark.parametrize(
    ("config", "installed", "expected"),
    [
        ({"scsi0": DISK, "ide2": ISO, "boot": "order=scsi0;ide2"}, False, "installer"),
        ({"scsi0": DISK, "ide2": ISO, "boot": "order=scsi0;ide2"}, True, "disk"),
        ({"scsi0": DISK, "ide2": ISO, "boot": "order=ide2;scsi0"}, True, "installer"),
        ({"scsi0": DISK, "ide2": ISO, "boot": "order=scsi0"}, False, None),
        ({"scsi0": DISK, "ide2": ISO, "boot": "cdn", "bootdisk": "scsi0"}, False, "installer"),
        ({"scsi0": DISK, "ide2": ISO, "boot": "dc"}, True, "installer"),
        ({"scsi0": DISK, "ide2": ISO}, True, "disk"),
        ({"scsi0": DISK, "ide0": CLOUD_INIT}, False, None),
        ({"ide2": "none,media=cdrom"}, False, None),
        ({"boot": "order=net0", "net0": "virtio=02:00:00:00:00:01"}, True, None),
    ],
)
def test_boot_order(config: dict[str, object], installed: bool, expected: Boot | None) -> None:
    assert boot_source(config, installed) == expected


def test_installer_is_not_booted_again_from_an_ejected_medium() -> None:
    config = {"scsi0": DISK, "ide2": ISO, "boot": "order=ide2;scsi0"}
    assert boot_source(config, installed=True, ejected=True) == "disk"


def test_drives_and_cards_are_read_as_proxmox_writes_them() -> None:
    config = {"scsi0": DISK, "ide0": CLOUD_INIT, "net0": "virtio=bc:24:11:00:00:01,bridge=vmbr0,tag=12"}
    assert cloud_init_drive(config) == "ide0"
    assert cloud_init_drive({"scsi0": DISK}) is None
    assert network_card(config) == ("BC:24:11:00:00:01", {"bridge": "vmbr0", "tag": "12"})
    assert network_card(config, 1) is None


@pytest.mark.parametrize(
    ("agent", "expected"), [("1", True), ("enabled=1,fstrim_cloned_disks=1", True), ("0", False), (1, True)]
)
def test_agent_setting(agent: object, expected: bool) -> None:
    assert enabled({"agent": agent}) is expected
    assert not enabled({})


def test_link_local_address_is_made_from_the_mac() -> None:
    assert link_local("52:54:00:12:34:56") == "fe80::5054:ff:fe12:3456"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "etc/passwd": "root:x:0:0::/root:/bin/bash\nossng:x:1000:1000:ossng,,,:/home/ossng:/bin/bash\n",
        "etc/shadow": f"root:{SHA512}:20000:0:99999:7:::\nossng:{PASSWORD_HASH}:20000::::::\nx:!{SHA512}::::::\n",
        "etc/group": "root:x:0:\nossng:x:1000:\n",
        "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n",
        "home/ossng/.ssh/authorized_keys": 'from="10.0.0.1" ssh-ed25519 AAAAone me\n# ssh-ed25519 AAAAtwo\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("ossng", PASSWORD, True),
        ("ossng", "wrong", False),
        ("root", "battery staple", True),
        ("x", "battery staple", False),
        ("nobody", PASSWORD, False),
    ],
)
def test_password_is_compared_with_the_shadow_file(root: Path, name: str, password: str, expected: bool) -> None:
    assert password_matches(root, name, password) is expected


def test_authorized_keys(root: Path) -> None:
    user = account(root, "ossng")
    assert user == Account("ossng", 1000, 1000, "/home/ossng", "/bin/bash")
    assert key_matches(root, user, "ssh-ed25519", "AAAAone")
    assert not key_matches(root, user, "ssh-ed25519", "AAAAtwo")
    assert account(root, "nobody") is None


def test_first_sshd_option_wins_and_drop_ins_come_first(root: Path) -> None:
    assert password_login(root, "ossng")
    assert not password_login(root, "root")
    assert key_login(root, "root")
    drop_ins = root / "etc/ssh/sshd_config.d"
    drop_ins.mkdir()
    (drop_ins / "10.conf").write_text("passwordauthentication no\nPermitRootLogin=no\n")
    (drop_ins / "20.conf").write_text("PasswordAuthentication yes\n")
    (drop_ins / "00.disabled").write_text("PasswordAuthentication yes\n")
    assert not password_login(root, "ossng")
    assert not key_login(root, "root")
    assert key_login(root, "ossng")


def test_cloud_init_is_applied_once_per_instance(root: Path) -> None:
    config = {"ciuser": "ossng", "sshkeys": quote("ssh-ed25519 AAAAnew me\n", safe=""), "nameserver": "10.0.0.53"}
    data = cloudinit.UserData.of("paris-masters-1", config)
    assert cloudinit.apply(root, data)
    keys = {path.name: path.read_text() for path in (root / "etc/ssh").glob("ssh_host_*")}
    assert keys.keys() == {f"ssh_host_{kind}_key{end}" for kind in ("ed25519", "ecdsa") for end in ("", ".pub")}
    assert (root / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    assert (root / "etc/hostname").read_text() == "paris-masters-1\n"
    assert (root / "etc/resolv.conf").read_text() == "nameserver 10.0.0.53\n"
    assert (root / "home/ossng/.ssh/authorized_keys").read_text().endswith("ssh-ed25519 AAAAnew me\n")
    assert not password_matches(root, "ossng", PASSWORD), "the password is locked"
    assert not cloudinit.apply(root, data)
    assert {path.name: path.read_text() for path in (root / "etc/ssh").glob("ssh_host_*")} == keys
    assert cloudinit.apply(root, cloudinit.UserData.of("renamed", config))


def test_cloud_init_makes_a_user_that_is_missing(root: Path) -> None:
    cloudinit.apply(root, cloudinit.UserData.of("vm", {"ciuser": "deploy"}))
    assert account(root, "deploy") == Account("deploy", 1001, 1001, "/home/deploy", "/bin/bash")
    assert (root / "etc/sudoers.d/90-cloud-init-users").read_text() == "deploy ALL=(ALL) NOPASSWD:ALL\n"


def test_state_is_private_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state/state.json"
    vm = SimpleNamespace(vmid=100, name="vm", node="pve1", status="running", config={"agent": "1"}, pending={},
                         template=False, lock=None)  # fmt: skip
    state.save(path, [vm], {"local": {"files": {"a.iso"}, "volumes": {}}}, {"job": {"storage": "local"}})
    loaded = state.load(path)
    assert loaded["vms"] == [vars(vm)]
    assert loaded["storages"]["local"]["files"] == {"a.iso"}
    assert loaded["jobs"] == {"job": {"storage": "local"}}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", '{"version": 0}'])
def test_state_of_another_version_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(state.StateError, match="Destroy the site, or remove"):
        state.load(tmp_path / "state.json")
