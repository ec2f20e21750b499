"""A site with a golden image on it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import asyncssh
import pytest

from tests.unit.proxmox.login import clone
from tests.unit.proxmox.running import BLOCK, GOLDEN, ISO, PASSWORD, PRESEED, USER, Files, Service

SEAL = "cloud-init clean --logs; rm -f /etc/ssh/ssh_host_*; : > /etc/machine-id"


def seal(address: str) -> None:
    """Remove what would make clones alike, as the image's last provisioning step does."""

    async def run() -> None:
        async with asyncssh.connect(
            address, 2222, username=USER, password=PASSWORD, client_keys=None, known_hosts=None, config=None
        ) as connection:
            await connection.run(f"sudo sh -euc '{SEAL}'", check=True)

    asyncio.run(run())


@pytest.fixture(scope="session")
def block_number() -> int:
    """Two /24 networks for each pytest-xdist worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return 2 * int(worker.removeprefix("gw"))


@pytest.fixture(scope="session")
def files(block_number: int) -> Iterator[Files]:
    server = Files(f"127.{BLOCK}.{block_number}.2", {f"/{ISO}": b"a medium", "/preseed.cfg": PRESEED.encode()})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, block_number: int) -> Iterator[Service]:
    """A site, with nothing on it."""
    service = Service(tmp_path_factory.mktemp("site"), block_number)
    service.start()
    yield service
    service.end()


@pytest.fixture(scope="module")
def golden(service: Service, files: Files) -> int:
    """VMID of a template that the installer has made."""
    node = service.api.nodes("pve1")
    service.ok(node.storage("local")("download-url").post(content="iso", filename=ISO, url=f"{files.url}/{ISO}"))
    service.ok(
        node.qemu.post(
            vmid=GOLDEN,
            name="golden",
            memory=2048,
            agent=1,
            scsi0="local-lvm:20",
            ide2=f"local:iso/{ISO},media=cdrom",
            net0="virtio,bridge=vmbr0",
            boot="order=scsi0;ide2",
        )
    )
    service.ok(node.qemu(GOLDEN).status.start.post())
    service.type(GOLDEN, f"auto url={files.url}/preseed.cfg hostname=golden domain=localdomain")
    seal(service.ipv4(GOLDEN))
    service.ok(node.qemu(GOLDEN).status.shutdown.post())
    service.ok(node.qemu(GOLDEN).template.post())
    node.qemu(GOLDEN).config.put(ide2="none,media=cdrom", ide0="local-lvm:cloudinit")
    return GOLDEN


@pytest.fixture(scope="module")
def clone_address(service: Service, golden: int) -> str:
    """Address of a clone that runs during the whole module (VM 1000)."""
    clone(service, 1000, net0="virtio=02:00:00:00:10:00,bridge=vmbr0")
    return service.ipv4(1000)
