"""PowerDNS: the pod of the program's own manifests, as real processes on the address of its Service.

The server is the machine's pdns_server, the TLS sidecar the machine's nginx. Both read what the program
mounts, and find their data on the claimed volume. A pod here has no address of its own, so each port
that the Service publishes is bound where the Service answers, and the others stay inside of the machine.
"""

from __future__ import annotations

import logging
import re
import shutil
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.controllers.client import Cluster, Kind, View
from lab.controllers.config import Config
from lab.controllers.pod import CLAIM, CONFIG_MAP, SECRET, Pod, PodError, expand
from lab.controllers.process import Daemon, sandbox
from lab.files import write_private
from lab.plugins.kubernetes.api import Object

NAMESPACE: Final = "powerdns"
SERVICE: Final = "powerdns"

_SERVICE: Final = Kind("v1", "Service")
_POD: Final = Kind("v1", "Pod")

_PDNS_USER, _NGINX_USER = 953, 101
"""Of the official images."""
_FOLDER: Final = "/etc/powerdns"
_NGINX_FILE: Final = "/etc/nginx/nginx.conf"
_NGINX_LISTEN_6: Final = re.compile(r"\blisten\s+\[::\]:[^;]*;")
_NGINX_PORT: Final = re.compile(
    r"(?P<listen>\blisten\s+)(?:[\d.*]+:|localhost:)?(?P<port>\d+)|(?:127\.0\.0\.1|localhost):(?P<peer>\d+)"
)

_log = logging.getLogger(__name__)


class Ports:
    """Where the ports of the pod's containers are bound.

    Args:
        address: Of the Service.
        published: Port of a container -> port of the Service. Any other gets a free one of 127.0.0.1.
    """

    def __init__(self, address: str, published: Mapping[int, int]) -> None:
        self.address, self.published = address, published
        self._inside: dict[int, int] = {}

    def bound(self, port: int) -> tuple[str, int]:
        """Address and port of the machine for a port of a container."""
        if port in self.published:
            return self.address, self.published[port]
        return "127.0.0.1", self._inside.setdefault(port, _free_port())


@dataclass(frozen=True)
class Running:
    """The processes of one pod."""

    pod: str
    service: tuple[str, Mapping[int, int]]
    daemons: list[Daemon]


class PowerDns:
    """The controller."""

    name = "powerdns"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._running: Running | None = None
        self._refused = ""

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        try:
            for view in cluster.follow(stop, _SERVICE, _POD, CONFIG_MAP, SECRET, CLAIM):
                self._sync(view)
        finally:
            self._end()

    def _sync(self, view: View) -> None:
        """Make what runs agree with the cluster."""
        item, ports = _find(view)
        running = self._running
        if running and (
            item is None or (running.pod, running.service) != (_uid(item), (ports.address, ports.published))
        ):
            self._end()
        if item is None or self._running:
            return
        try:
            self._running = self._start(item, ports, view)
            self._refused = ""
        except PodError as error:
            # Most are cured by the object that comes next.
            if str(error) != self._refused:
                _log.info("powerdns waits: %s", error)
            self._refused = str(error)

    def _start(self, item: Object, ports: Ports, view: View) -> Running:
        pod = Pod(item, view, self._config.state / "pods" / _uid(item), self._config.volumes)
        commands = {each["name"]: _command(pod, each, ports) for each in pod.containers}
        daemons = [
            Daemon(f"powerdns/{name}", argv, self._config.state / f"powerdns-{name}.log", env=environment)
            for name, (argv, environment) in commands.items()
        ]
        places = ", ".join(f"{ports.address}:{port}" for port in sorted(ports.published.values()))
        _log.info("powerdns runs at %s", places)
        return Running(_uid(item), (ports.address, ports.published), daemons)

    def _end(self) -> None:
        if self._running is None:
            return
        for daemon in self._running.daemons:
            daemon.stop()
        shutil.rmtree(self._config.state / "pods" / self._running.pod, ignore_errors=True)
        self._running = None
        _log.info("powerdns ended")


def _find(view: View) -> tuple[Object | None, Ports]:
    """The Service's pod, if there is one, and where the Service answers."""
    nowhere = Ports("", {})
    service = view.get(_SERVICE, NAMESPACE, SERVICE)
    given = ((service or {}).get("status", {}).get("loadBalancer") or {}).get("ingress") or []
    if service is None or not given:
        return None, nowhere
    selector = service["spec"].get("selector", {}).items()
    for pod in view.all(_POD, NAMESPACE):
        if selector <= pod["metadata"].get("labels", {}).items() and "deletionTimestamp" not in pod["metadata"]:
            ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
            numbers = {port.get("name"): port["containerPort"] for port in ports}
            targets = {each["port"]: each["targetPort"] for each in service["spec"]["ports"]}
            published = {numbers.get(target, target): port for port, target in targets.items()}
            return pod, Ports(given[0]["ip"], published)
    return None, nowhere


def _command(pod: Pod, container: Object, ports: Ports) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a container.

    Raises:
        PodError: the lab has no program for its image, or it is used in a way that is not modelled.
    """
    environment = pod.environment(container)
    image = container["image"].rpartition("/")[2]
    default: tuple[str, ...]
    if image.startswith("pdns-auth"):
        prepare, default, user = _pdns, ("pdns_server",), _PDNS_USER
    elif image.startswith("nginx"):
        prepare, default, user = _nginx, ("nginx", "-g", "daemon off;"), _NGINX_USER
    else:
        raise PodError(f"ErrImagePull: the lab has no program for {container['image']}")
    # As the images do it: the arguments follow an entry point that ends in the program.
    command = container.get("command") or default[:1]
    arguments = container.get("args") or ([] if "command" in container else default[1:])
    line = [expand(word, environment) for word in (*command, *arguments)]
    if line[0].rpartition("/")[2] != default[0]:
        raise PodError(f"container {container['name']} starts {line[0]}: the lab models only {default[0]}")
    # Of the image's release: the machine's has another, and makes its own database.
    line = [word for word in line if not word.startswith("--lmdb-schema-version=")]
    options, more = prepare(pod, container, ports, environment, line)
    return sandbox(pod.uid(container, user), [*pod.options(container), *options], [*line, *more]), environment


def _pdns(
    pod: Pod, container: Object, ports: Ports, environment: Mapping[str, str], line: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What pdns_server needs beside its own settings: sandbox options, and arguments that say where it listens."""
    files = [pod.source(container, f"{_FOLDER}/pdns.conf")]
    options: list[str] = []
    if "PDNS_AUTH_API_KEY" in environment:
        files.append(_api_settings(pod, environment["PDNS_AUTH_API_KEY"]))
        options = ["--ro-bind", str(pod.home / "pdns.d"), f"{_FOLDER}/pdns.d"]
    elif (included := pod.source(container, f"{_FOLDER}/pdns.d")) is not None:
        files += sorted(included.glob("*.conf"))
    settings = {key: value for file in files if file for key, value in _settings(file.read_text().splitlines())}
    settings |= dict(_settings(word.removeprefix("--") for word in line[1:]))
    address, port = ports.bound(int(settings.get("local-port", 53)))
    web_address, web_port = ports.bound(int(settings.get("webserver-port", 8081)))
    return options, [
        *(f"--local-address={address}", f"--local-port={port}", f"--query-local-address={address}"),
        *(
            f"--webserver-address={web_address}",
            f"--webserver-port={web_port}",
        ),
    ]


def _api_settings(pod: Pod, key: str) -> Path:
    """What the official image's start script makes of the variable: the API, for whoever has the key."""
    path = pod.home / "pdns.d" / "_api.conf"
    write_private(path, f"webserver\napi\napi-key={key}\nwebserver-allow-from=0.0.0.0/0\nwebserver-password={key}\n")
    return path


def _settings(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Settings of PowerDNS, key and value."""
    for line in lines:
        key, equals, value = line.partition("#")[0].partition("=")
        if equals:
            yield key.strip(), value.strip()


def _nginx(
    pod: Pod, container: Object, ports: Ports, environment: Mapping[str, str], line: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Have the sidecar's own configuration name the ports that are bound: the pod's network is the machine's."""
    file = pod.source(container, _NGINX_FILE)
    if file is None:
        raise PodError(f"container {container['name']} has no {_NGINX_FILE} of the program's own")

    def bound(found: re.Match[str]) -> str:
        address, port = ports.bound(int(found["port"] or found["peer"]))
        return f"{found['listen'] or ''}{address}:{port}"

    write_private(file, _NGINX_PORT.sub(bound, _NGINX_LISTEN_6.sub("", file.read_text())))
    return [], []


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
