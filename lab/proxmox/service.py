"""The process of one site: its API, its guests and their memory, from start to SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from lab.proxmox import state
from lab.proxmox.api import Api
from lab.proxmox.config import SiteConfig
from lab.proxmox.guests import Guests
from lab.proxmox.leases import Leases


class Site:
    """One site's Proxmox VE with its guests."""

    def __init__(self, config: SiteConfig) -> None:
        self._config = config
        self._file = config.state / "state.json"
        self._state = state.load(self._file)
        log = logging.getLogger("lab.proxmox").info
        leases = Leases(config.dhcp.first, config.dhcp.last, config.state / "leases.json")
        self.guests = Guests(config.state / "guests", leases, config.tools, log)
        self.api = Api(config, self.guests, log)

    async def start(self) -> None:
        """Bring back what ran when the service ended, then listen.

        Raises:
            OSError: the address or the certificate cannot be used.
        """
        self._config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.api.save = self._save
        await self.api.restore(self._state)
        await self.api.start(self._config.certificate, self._config.key)
        self.api.resume()

    async def stop(self) -> None:
        """Stop listening and end every guest; what runs now runs again after the next start."""
        self._save()
        await self.api.stop()
        await self.guests.power_off_all()

    def _save(self) -> None:
        state.save(self._file, self.api.vms, self.api.storages, self.api.jobs)


async def serve(config: SiteConfig) -> None:
    """Run a site until SIGTERM or SIGINT.

    Raises:
        OSError: the address or the certificate cannot be used.
        StateError: the state on disk is not this version's.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("lab").setLevel(logging.INFO)
    site = Site(config)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await site.start()
    logging.getLogger("lab.proxmox").info("Proxmox VE answers at %s", site.api.url)
    await ended.wait()
    await site.stop()
