"""The site's Proxmox VE API: fakepve, with guests behind its VMs and without what it only pretends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from fakepve.model import PveError, TaskError
from fakepve.routing import die, param_error, split_list
from fakepve.server import API, USER, error, ok, params

from lab.proxmox import agent
from lab.proxmox.config import SiteConfig
from lab.proxmox.download import Checksum, DownloadError, fetch, metadata
from lab.proxmox.faults import FaultFile, Faults, FaultsError
from lab.proxmox.firmware import network_card
from lab.proxmox.guests import Guests, Log
from lab.proxmox.hardware import Hardware
from lab.proxmox.modelled import PRIVILEGES, modelled
from lab.proxmox.storages import storages

TIME_SCALE = 0.1
"""Real seconds per second of Proxmox's own delays and timeouts."""

TASK_SECONDS = {"qmclone": 1.0, "qmcreate": 0.5, "qmstart": 0.5, "qmtemplate": 0.5, "qmdestroy": 0.5}
"""How long a worker works, before TIME_SCALE."""

INTERRUPTED = ("create", "clone", "destroyed")
"""Locks of a VM that a killed service was making or removing."""

KEYBOARD = ("/monitor", "/sendkey")
"""Calls that type one key: they change nothing that is saved, and would fill the log."""

Body = Callable[[], Awaitable[str | None]]


class Api(Hardware):
    """One site.

    Args:
        config: Names, addresses and secrets of the site.
        guests: What its VMs become when they run.
        log: Called with one line per event.
    """

    def __init__(self, config: SiteConfig, guests: Guests, log: Log) -> None:
        super().__init__(
            config.user, config.password.get_secret_value(), str(config.address), config.port, config.state / "import"
        )
        self.guests = guests
        self.bridges = config.bridges
        self.save: Callable[[], None] = lambda: None
        self._log = log
        self._stop = threading.Event()
        self.time_scale = TIME_SCALE
        self.cluster_name = "lab"
        self.max_requests = 0
        self.nodes = {name: {"online": True} for name in config.nodes}
        self.token_id = config.token.id
        self.apitokens[self.token_id] = config.token.secret.get_secret_value()
        self.storages: dict[str, Any] = storages(config.iso_storage, config.disk_storages)
        self._fault_file = FaultFile(config.state)
        self._apply(Faults())
        guests.present = lambda: [card[0] for vm in self.vms if (card := network_card(vm.config))]

    async def restore(self, state: dict[str, Any]) -> None:
        """Take over what an earlier service has saved."""
        self.storages.update(state["storages"])
        self.jobs.update(state["jobs"])
        for fields in state["vms"]:
            vm = self.add_vm(**{**fields, "status": "stopped"})
            if vm.lock in INTERRUPTED:
                self._log(f"VM {vm.vmid} {vm.name} was half made or half removed when the service ended: removed")
                for name, store in self.storages.items():
                    volumes = [n for n, v in store.get("volumes", {}).items() if v.get("vmid") == vm.vmid]
                    for volume in volumes:
                        self._qm_free(f"{name}:{volume}")
                self.vms.remove(vm)
            elif fields["status"] == "running":
                vm.status = vm.qmpstatus = "running"
        await self.guests.keep_only({vm.vmid for vm in self.vms})
        self.save()

    def resume(self) -> None:
        """Power on what was running when the service ended."""
        for vm in self.vms:
            if vm.status == "running":
                self.guests.power_on(vm)

    async def stop(self) -> None:
        self._stop.set()
        await super().stop()

    # ------------------------------------------------------------------- faults

    def _apply(self, faults: Faults) -> None:
        self.faults = faults
        self.failures.clear()
        for one in faults.refusals:
            self.fail(one.method, one.path, one.status, one.message, times=one.times)
        for node in self.nodes:
            self.set_node_offline(node, node in faults.offline)
        self.quorate = faults.quorate
        self.acl: dict[str, Any] = {}
        for path, privileges in PRIVILEGES.items():
            self.grant(self.token_id, path, *(set(privileges.split()) - set(faults.withheld)))
        # fakepve takes Proxmox's seconds.
        self.slow_network(faults.latency / TIME_SCALE)
        self.flaky_network(faults.dropped)
        self.guests.without_ssh = frozenset(faults.without_ssh)

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        app.middlewares.insert(0, self._look_for_faults)
        return app

    @web.middleware
    async def _look_for_faults(self, request: web.Request, handler: Any) -> Any:
        try:
            if faults := self._fault_file.news():
                self._log(f"faults: {faults.model_dump_json(exclude_defaults=True)}")
                self._apply(faults)
        except FaultsError as problem:
            return error(500, str(problem))
        return await handler(request)

    # --------------------------------------------------------------- every call

    async def _answer(self, request: web.Request, handler: Any, generic: Any, path_node: str | None) -> Any:
        match = self.resolve(request, API)
        if match is not None and request.method in match.methods and not modelled(request.method, match.template):
            return await super()._answer(request, _refuse, generic, path_node)
        response = await super()._answer(request, handler, generic, path_node)
        if request.method != "GET" and match is not None and not match.template.endswith(KEYBOARD):
            self.save()
            path, reason = request.path.partition("/json")[2], "" if response.status < 400 else f" {response.reason}"
            self._log(f"{request.method} {path} by {request[USER]}: {response.status}{reason}")
        return response

    # -------------------------------------------------------------------- tasks

    async def task(
        self,
        node: str,
        ttype: str,
        tid: Any,
        user: str,
        body: Body,
        vm: Any = None,
        lock: bool = True,
        log: Any = (),
    ) -> str:
        async def worker() -> str | None:
            try:
                await asyncio.sleep(self.faults.seconds.get(ttype, TASK_SECONDS.get(ttype, 0.0) * TIME_SCALE))
                return await self._work(ttype, tid, body, vm)
            except TaskError as error:
                self._log(f"task {ttype} {tid} failed: {error}")
                raise
            finally:
                self.save()

        return str(await super().task(node, ttype, tid, user, worker, vm=vm, lock=lock, log=log))

    async def _work(self, ttype: str, tid: Any, body: Body, vm: Any) -> str | None:
        """The worker's body, and what it means for the guest."""
        if ttype == "qmclone":
            return await self._clone_guest(int(tid), vm, body)
        if ttype in ("qmstart", "qmreboot"):
            self.check_start(vm)
        note = await body()
        if image := self.imported.pop(int(tid), None) if ttype == "qmcreate" else None:
            await self.guests.write(vm.vmid, image)
        if ttype in ("qmstop", "qmshutdown", "qmreboot", "qmreset"):
            await self.guests.power_off(vm.vmid)
        if ttype in ("qmstart", "qmreboot", "qmreset") or (ttype == "qmcreate" and vm.status == "running"):
            self.guests.power_on(vm)
        if ttype == "qmdestroy":
            await self.guests.remove(vm.vmid)
        return note

    async def _clone_guest(self, source: int, vm: Any, body: Body) -> str | None:
        try:
            await self.guests.copy(source, vm.vmid)
            note = await body()
        except (OSError, TaskError) as error:
            await self.guests.remove(vm.vmid)
            if vm in self.vms:
                self.vms.remove(vm)
            raise error if isinstance(error, TaskError) else TaskError(f"clone failed: {error}") from error
        self.clone_cloud_init(vm)
        return note

    # ------------------------------------------------------------- single calls

    def _routes_lab(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/cluster/nextid", self._next_id),
            ("GET", "/nodes/{node}/query-url-metadata", self._url_metadata),
            ("PUT", "/nodes/{node}/qemu/{vmid}/sendkey", self._send_key),
        ]

    async def _next_id(self, values: dict[str, Any], _user: str) -> int:
        asked = values.get("vmid")
        if asked is None:
            return next(number for number in range(100, 10**9) if not self._qm_taken(number))
        if self._qm_taken(asked):
            raise param_error(vmid=f"VM {asked} already exists")
        return int(asked)

    async def _url_metadata(self, values: dict[str, Any], _user: str) -> dict[str, object]:
        try:
            return await asyncio.to_thread(metadata, values["url"], _verifies(values))
        except DownloadError as error:
            raise die(str(error)) from None

    async def _download_url(self, request: web.Request) -> Any:
        match = self.resolve(request, API)
        return ok(await self.answer(request, match, await params(request), request[USER], self._download))

    async def _download(self, _match: Any, values: dict[str, Any]) -> str:
        name, file, content = values["storage"], values["filename"], values["content"]
        store = self._active_store(name, values["node"])
        self._need_file_storage(store, "can't upload to storage type '{0}', not a file based storage!")
        if content not in split_list(store.get("content")):
            raise die(f"storage '{name}' is not configured for content-type '{content}'")
        algorithm, expected = values.get("checksum-algorithm"), values.get("checksum")
        if bool(algorithm) != bool(expected):
            raise param_error(checksum="needs checksum-algorithm, and the other way round")
        checksum = Checksum(algorithm, expected) if algorithm and expected else None

        async def body() -> None:
            if f"{content}/{file}" in self._volumes(name):
                raise TaskError(
                    f"refusing to override existing file '{self._volume_path(name, f'{content}/{file}', content)}'"
                )
            try:
                size = await asyncio.to_thread(self._fetch, values, checksum)
            except DownloadError as error:
                raise TaskError(str(error)) from None
            self.store_file(name, file, size, content)

        return str(await self.task(values["node"], "download", name, self.user, body))

    def _fetch(self, values: dict[str, Any], checksum: Checksum | None) -> int:
        download = partial(fetch, values["url"], checksum, _verifies(values), self._stop)
        if values["content"] != "import":
            return download()
        self.imports.mkdir(exist_ok=True)
        with (self.imports / values["filename"]).open("wb") as file:
            return download(file)

    async def _monitor(self, request: web.Request) -> Any:
        """QEMU's monitor, of which the lab has `sendkey`."""
        match = self.resolve(request, API)

        async def call(_match: Any, values: dict[str, Any]) -> str:
            command, _, key = str(values["command"]).strip().partition(" ")
            if command != "sendkey":
                raise PveError(501, f"monitor command {command!r} is not modelled by the lab's Proxmox VE")
            return self._press(self._running(values), key.split()[0])

        return ok(await self.answer(request, match, await params(request), request[USER], call))

    async def _send_key(self, values: dict[str, Any], _user: str) -> None:
        if problem := self._press(self._running(values), values["key"]):
            raise die(problem)

    def _running(self, values: dict[str, Any]) -> Any:
        vm = self.find(values["node"], values["vmid"])
        self._need_running(vm)
        return vm

    def _press(self, vm: Any, key: str) -> str:
        """Press a key; what QEMU prints about it."""
        try:
            self.guests.press(vm.vmid, key)
        except ValueError as error:
            return str(error)
        return ""

    async def _agent_call(self, match: Any, values: dict[str, Any]) -> Any:
        vm = self.find(values["node"], values["vmid"])
        if not agent.enabled(vm.config):
            raise die("No QEMU guest agent configured")
        fault = self.faults.agents.get(vm.name)
        if fault == "silent":
            raise die("QEMU guest agent is not running")
        answer = await super()._agent_call(match, values)
        if fault and match.template.endswith("/network-get-interfaces"):
            return {"result": agent.disturbed(answer["result"], fault)}
        return answer


def _verifies(values: dict[str, Any]) -> bool:
    return bool(values.get("verify-certificates", 1))


async def _refuse(request: web.Request) -> web.Response:
    raise PveError(501, f"Method '{request.method} {request.path}' is not modelled by the lab's Proxmox VE")
