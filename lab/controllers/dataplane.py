"""The data plane of the NGINX Ingress Controller: the machine's nginx, where the controller's Service answers.

It serves what the real controller would make of the Ingresses, and reports their status as that does.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path
from typing import Final

from lab.controllers import ingress_controller, ingresses, nginx
from lab.controllers.certificates import SecretError
from lab.controllers.client import Cluster
from lab.controllers.config import Config
from lab.controllers.ingress_controller import IngressController
from lab.controllers.ingresses import INGRESS, Servers
from lab.controllers.process import Daemon, sandbox
from lab.files import write_private
from lab.plugins.kubernetes.api import Object

_NOTES: Final = "dataplane.json"
_USER: Final = 101
"""nginx's own, in the official images; as root it would hand its workers to another."""

_log = logging.getLogger(__name__)


class DataPlane:
    """The controller."""

    name = "nginx-ingress"

    def __init__(self, config: Config) -> None:
        self._routes = config.routes
        self._folder = config.state / "dataplane"
        self._log_file = config.state / "dataplane.log"
        self._notes_file = config.state / _NOTES
        self._notes: list[str] | None = None
        self._nginx: Daemon | None = None
        self._place: tuple[str, object] | None = None

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        kinds = dict.fromkeys([*ingress_controller.KINDS, *ingresses.KINDS])
        try:
            for view in cluster.follow(stop, *kinds):
                controller = ingress_controller.find(view)
                try:
                    servers = Servers(view, controller, self._routes) if controller else None
                except SecretError as error:
                    self._note([f"the controller does not start: {error}"])
                    servers = None
                if controller is None or servers is None:
                    self._end()
                    continue
                self._serve(controller, servers)
                self._note(servers.notes)
                if controller.reports_status:
                    for item in servers.handled:
                        _report(cluster, item, controller.address)
        finally:
            self._end()

    def _serve(self, controller: IngressController, servers: Servers) -> None:
        """Make what nginx serves agree with the cluster."""
        place = (controller.address, controller.ports)
        if self._place != place:
            self._end()
        changed = self._write({**servers.files, "nginx.conf": nginx.render(controller, servers)})
        if self._nginx is None:
            command = ["nginx", "-p", f"{self._folder}/", "-c", "nginx.conf", "-e", "stderr"]
            options = ["--dev-bind", "/", "/", "--proc", "/proc"]
            self._nginx = Daemon("nginx", sandbox(_USER, options, command), self._log_file)
            self._place = place
            _log.info("nginx serves %d hosts at %s, ports %s", len(servers.servers), *place)
        elif changed:
            self._nginx.reload()
            _log.info("nginx serves %d hosts", len(servers.servers))

    def _write(self, files: dict[str, str]) -> bool:
        """Make the folder hold exactly these files, and say if it did not."""
        for name in nginx.FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        known = {
            path for path in (self._folder / "secrets").iterdir() if str(path.relative_to(self._folder)) not in files
        }
        for path in known:
            path.unlink()
        changed = [name for name, content in files.items() if _content(self._folder / name) != content]
        for name in changed:
            write_private(self._folder / name, files[name])
        return bool(changed)

    def _note(self, notes: list[str]) -> None:
        """Log what is new of the notes, and keep them for `make status`."""
        if notes == self._notes:
            return
        for note in notes:
            if note not in (self._notes or []):
                _log.warning("%s", note)
        self._notes = notes
        write_private(self._notes_file, json.dumps({"notes": notes}, indent=2))

    def _end(self) -> None:
        if self._nginx is not None:
            self._nginx.stop()
            _log.info("nginx ended")
        self._nginx = self._place = None
        shutil.rmtree(self._folder, ignore_errors=True)


def notes(state: Path) -> list[str]:
    """What nginx does not as the controller would, by the file that the controllers keep in their folder."""
    text = _content(state / _NOTES)
    found: list[str] = json.loads(text)["notes"] if text else []
    return found


def _report(cluster: Cluster, item: Object, address: str) -> None:
    """Write the controller's address to an Ingress."""
    given = [{"ip": address}]
    if (item.get("status", {}).get("loadBalancer") or {}).get("ingress") != given:
        cluster.patch_status(INGRESS, item, {"loadBalancer": {"ingress": given}})


def _content(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
