"""Real Packer against the lab's Proxmox: the golden image, from power-on to template."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import requests

from lab.authority import Authority
from lab.files import write_private
from lab.layout import REPOSITORY, Lab, Site
from tests.processes import arguments

BLOCK = 83
ISO = "debian-12.12.0-amd64-netinst.iso"
ROOT_PASSWORD = "root-at-pam-password"
TOKEN = "11111111-2222-3333-4444-555555555555"
PACKER = REPOSITORY / "lab/packer/bin/packer"


class Pve:
    """The Proxmox service of one site, and what runs Packer against it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.url = f"https://{site.proxmox}:8006/api2/json"
        authority = Authority(site.lab.home)
        self.environment = {
            **os.environ,
            "OSS_NEXTGEN_LAB_HOME": str(site.lab.home),
            "OSS_NEXTGEN_LAB_BLOCK": str(site.lab.block),
            "SSL_CERT_FILE": str(authority.bundle),
            "REQUESTS_CA_BUNDLE": str(authority.bundle),
            "PKR_VAR_boot_wait": "1s",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(authority.bundle)
        self.session.headers["Authorization"] = f"PVEAPIToken=oss-nextgen@pve!pulumi={TOKEN}"
        certificate, key = authority.issue(site.home, site.proxmox)
        config = {
            "address": str(site.proxmox),
            "port": 8006,
            "certificate": str(certificate),
            "key": str(key),
            "nodes": ["pve1"],
            "isoStorage": "local",
            "diskStorages": ["local-lvm"],
            "user": "root@pam",
            "password": ROOT_PASSWORD,
            "token": {"id": "oss-nextgen@pve!pulumi", "secret": TOKEN},
            "bridges": ["vmbr0"],
            "network": str(site.machines),
            "dhcp": {"first": str(site.machines[100]), "last": str(site.machines[199])},
            "sshPort": 2222,
            "tools": [],
            "state": str(site.home / "proxmox"),
        }
        write_private(site.home / "proxmox.json", json.dumps(config))

    def call(self, method: str, path: str, **data: str) -> Any:
        response = self.session.request(method, f"{self.url}{path}", data=data, timeout=10)
        response.raise_for_status()
        return response.json()["data"]

    def answers(self) -> bool:
        try:
            return bool(self.call("GET", "/version"))
        except requests.ConnectionError:
            return False

    def vm_ids(self) -> set[int]:
        return {vm["vmid"] for vm in self.call("GET", "/nodes/pve1/qemu")}

    def packer(self, variables: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PACKER, *arguments, REPOSITORY / "packer"],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def wait_for(what: str, condition: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pve]:
    site = Lab(home=tmp_path_factory.mktemp("lab"), block=BLOCK).site("paris")
    made = Pve(site)
    log = (site.home / "proxmox.log").open("w")
    service = subprocess.Popen(
        [sys.executable, "-m", "lab.proxmox", site.home / "proxmox.json"], cwd=REPOSITORY, stdout=log, stderr=log
    )
    try:
        wait_for("the Proxmox service", made.answers)
        _download_iso(made, tmp_path_factory.mktemp("iso"))
        yield made
    finally:
        service.terminate()
        service.wait(20)
        log.close()


def _download_iso(pve: Pve, folder: Path) -> None:
    """The product downloads it with a resource of its own; here a small file plays it."""
    (folder / ISO).write_bytes(b"an installer")
    with ThreadingHTTPServer((str(pve.site.runner), 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://{pve.site.runner}:{server.server_port}/{ISO}"
        pve.call("POST", "/nodes/pve1/storage/local/download-url", content="iso", filename=ISO, url=url)
        wait_for("the ISO", lambda: pve.call("GET", "/nodes/pve1/storage/local/content", content="iso"))
        server.shutdown()


def lines_until(process: subprocess.Popen[str], text: str) -> str:
    """Output up to the line that holds a text."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return "".join(seen)
    raise AssertionError(f"{text!r} was not printed:\n{''.join(seen)}")


def temporary_folders(pve: Pve) -> set[Path]:
    return set(pve.site.home.glob("packer-*"))


@dataclass(frozen=True)
class Build:
    """What was seen of a build that ended well."""

    output: str
    arguments: str
    """Command lines of every process of it."""
    listening: set[str]
    """Addresses that they listened on."""


@pytest.fixture(scope="module")
def build(pve: Pve, variables: dict[str, str]) -> Build:
    """The image, VMID 2001."""
    with pve.packer(variables, "build", "-color=false") as process:
        output = lines_until(process, "Typing the boot command")
        children = psutil.Process(process.pid).children(recursive=True)
        seen = " ".join(map(arguments, children))
        listening = {c.laddr.ip for child in children for c in child.net_connections("tcp") if c.status == "LISTEN"}
        output += process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return Build(output, seen, listening)


def test_the_template_is_what_the_product_asks_for(pve: Pve, build: Build, variables: dict[str, str]) -> None:
    config = pve.call("GET", "/nodes/pve1/qemu/2001/config")
    assert config["template"] == 1
    assert config["name"] == variables["PKR_VAR_template_name"]
    assert config["tags"] == "debian-12;oss-nextgen"
    assert {"discard=on", "ssd=1"} <= set(config["scsi0"].split(","))
    assert "cloudinit" in config["ide0"]
    assert "ide2" not in config


def test_no_secret_is_shown(build: Build, variables: dict[str, str]) -> None:
    for secret in (ROOT_PASSWORD, TOKEN, variables["PKR_VAR_ssh_password"], "$2a$"):
        assert secret not in build.arguments
        assert secret not in build.output


def test_packer_listens_on_loopback_only(pve: Pve, build: Build) -> None:
    assert build.listening == {str(pve.site.runner)}


def test_the_image_is_sealed(pve: Pve, build: Build) -> None:
    root = pve.site.home / "proxmox/guests/2001/root"
    assert not list((root / "etc/ssh").glob("ssh_host_*"))
    assert (root / "etc/machine-id").read_text() == ""
    assert not list((root / "var/lib/systemd/timers").iterdir())
    assert "PasswordAuthentication no" in (root / "etc/ssh/sshd_config.d/10-keys-only.conf").read_text()
    assert (root / "etc/iscsi/initiatorname.iscsi").read_text() == "GenerateName=yes\n"
    assert (root / "home/ossng/.ssh/authorized_keys").exists()


def test_the_image_updates_itself(pve: Pve, build: Build, tmp_path: Path) -> None:
    """As apt reads it: each night, never with a reboot, and nothing that holds volumes."""
    root = pve.site.home / "proxmox/guests/2001/root"
    (tmp_path / "apt.conf").write_text(f'Dir "{root}";\n')
    dump = ["apt-config", "dump", "APT::Periodic", "Unattended-Upgrade"]
    result = subprocess.run(
        dump, env={**os.environ, "APT_CONFIG": str(tmp_path / "apt.conf")}, capture_output=True, text=True, check=True
    )
    settings = set(result.stdout.splitlines())
    assert {'APT::Periodic::Update-Package-Lists "1";', 'APT::Periodic::Unattended-Upgrade "1";'} <= settings
    assert [line for line in settings if "Package-Blacklist::" in line] == [
        'Unattended-Upgrade::Package-Blacklist:: "open-iscsi$";'
    ]
    assert "Automatic-Reboot" not in result.stdout


def test_an_existing_vm_is_not_replaced(pve: Pve, build: Build, variables: dict[str, str]) -> None:
    with pve.packer(variables, "build", "-color=false") as process:
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "2001 already exists" in output
    assert pve.call("GET", "/nodes/pve1/qemu/2001/config")["template"] == 1
    disks = [item["volid"] for item in pve.call("GET", "/nodes/pve1/storage/local-lvm/content")]
    assert "local-lvm:vm-2001-disk-0" not in disks


def test_a_missing_installer_is_refused(pve: Pve, variables: dict[str, str]) -> None:
    missing = {"PKR_VAR_vm_id": "2002", "PKR_VAR_iso_file": "local:iso/not-there.iso"}
    with pve.packer(variables | missing, "build", "-color=false") as process:
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "not-there.iso" in output
    assert 2002 not in pve.vm_ids()


@pytest.mark.parametrize(
    ("answer", "vm_id", "message"),
    [
        (("default_label string gpt", "default_label string msdos"), 2006, "partition table is of type 'dos', not gpt"),
        (("systemd-timesyncd\n", "\n"), 2007, "not installed: systemd-timesyncd. See pkgsel/include"),
        (
            ("update-policy select unattended-upgrades", "update-policy select none"),
            2008,
            "not installed: unattended-upg",
        ),
    ],
    ids=["label", "package", "updates"],
)
def test_an_image_that_is_not_fit_is_no_template(
    pve: Pve, variables: dict[str, str], answer: tuple[str, str], vm_id: int, message: str
) -> None:
    other = {"PKR_VAR_vm_id": str(vm_id), "PKR_VAR_preseed": variables["PKR_VAR_preseed"].replace(*answer)}
    with pve.packer(variables | other, "build", "-color=false") as process:
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert message in output
    assert vm_id not in pve.vm_ids()


@pytest.mark.parametrize(
    ("number", "vm_id"), [(signal.SIGINT, 2003), (signal.SIGTERM, 2004), (signal.SIGKILL, 2005)], ids=str
)
def test_an_interrupted_build_leaves_no_vm(
    pve: Pve, variables: dict[str, str], number: signal.Signals, vm_id: int
) -> None:
    before = temporary_folders(pve)
    with pve.packer(variables | {"PKR_VAR_vm_id": str(vm_id)}, "build", "-color=false") as process:
        lines_until(process, "Typing the boot command")
        assert vm_id in pve.vm_ids()
        process.send_signal(number)
        process.communicate(timeout=300)
    assert process.returncode != 0
    wait_for("the VM to go", lambda: vm_id not in pve.vm_ids())
    if number != signal.SIGKILL:
        assert temporary_folders(pve) == before


def test_validate_and_init(pve: Pve, variables: dict[str, str]) -> None:
    for command, expected in (("validate", ""), ("init", "github.com/hashicorp/proxmox = 1.2.3")):
        with pve.packer(variables, command) as process:
            output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
        assert expected in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build", "-force"), "not understood: -force"),
        (("fix",), "knows build, validate, init and version"),
        (("build", "-var=x=y"), "not understood: -var=x=y"),
    ],
)
def test_an_unknown_command_line_is_refused(
    pve: Pve, variables: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    with pve.packer(variables, *arguments) as process:
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert message in output


def test_a_server_that_is_no_site_of_the_lab(pve: Pve, variables: dict[str, str]) -> None:
    elsewhere = {"PKR_VAR_proxmox_url": "https://pve1.example:8006/api2/json"}
    with pve.packer(variables | elsewhere, "validate") as process:
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "no site of the lab" in output
