"""A Proxmox VE API over HTTPS for the tests that need one."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakepve.certs import make_cert

from tests.unit.proxmox_server import ProxmoxServer

TOKEN = ("oss-nextgen@pve!pulumi", "6f2ad9a0-0000-4000-8000-000000000001")

Serve = Callable[[Any], Any]


@pytest.fixture(scope="session")
def proxmox_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate (its own CA) and key."""
    certificate, key, _ = make_cert(str(tmp_path_factory.mktemp("pki")), hosts=("127.0.0.1",))
    return certificate, key


@pytest.fixture(scope="session")
def proxmox_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One for all servers: it outlives each of them, so that their connections are closed in peace."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxmox")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def serve_proxmox(
    proxmox_certificate: tuple[str, str], proxmox_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    """Starts a `ProxmoxServer`; clients trust its certificate, and `TOKEN` logs in."""
    servers = []

    def run(coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, proxmox_loop).result(10)

    def serve(server: ProxmoxServer) -> ProxmoxServer:
        server.apitokens[TOKEN[0]] = TOKEN[1]
        run(server.start(*proxmox_certificate))
        servers.append(server)
        return server

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", proxmox_certificate[0])
    yield serve
    for server in servers:
        run(server.stop())


@pytest.fixture
def proxmox_token() -> str:
    """`user@realm!tokenid=uuid`, accepted by what `serve_proxmox` starts."""
    return "=".join(TOKEN)


@pytest.fixture
def proxmox(serve_proxmox: Serve) -> Any:
    """A `ProxmoxServer` with one node, pve1, whose tasks end at once."""
    return serve_proxmox(ProxmoxServer())
