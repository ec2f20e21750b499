"""Clones of the golden image, and what is done over SSH on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import asyncssh

from tests.unit.proxmox.running import GOLDEN, USER, Service

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC_KEY = KEY.export_public_key().decode().strip()


def clone(service: Service, vmid: int, **config: Any) -> None:
    """Clone the golden image and start it, as the provider does."""
    service.ok(service.vm(GOLDEN).clone.post(newid=vmid, name=f"paris-workers-{vmid}", full=1))
    cloud_init = {"ciuser": USER, "sshkeys": quote(PUBLIC_KEY, safe=""), "ipconfig0": "ip=dhcp"}
    service.vm(vmid).config.put(**cloud_init | config)
    service.ok(service.vm(vmid).status.start.post())


def remove(service: Service, vmid: int) -> None:
    if service.vm(vmid).status.current.get()["status"] == "running":
        service.ok(service.vm(vmid).status.stop.post())
    service.ok(service.vm(vmid).delete())


def ssh(address: str, use: Callable[[asyncssh.SSHClientConnection], Awaitable[Any]], **login: Any) -> Any:
    """Log in, with the key unless told otherwise, and use the connection."""
    options = {"username": USER, "client_keys": [KEY]} | login

    async def session() -> Any:
        async with asyncssh.connect(
            address, 2222, known_hosts=None, config=None, agent_path=None, **options
        ) as connection:
            return await use(connection)

    return asyncio.run(session())


def output(address: str, command: str, **login: Any) -> str:
    return str(ssh(address, lambda c: c.run(command, check=True), **login).stdout).strip()
