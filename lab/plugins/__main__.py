"""Serves the lab's provider plugins to the Pulumi engine.

    python -m lab.plugins --ports-file FILE [--only random,tls]

Each plugin listens on a port of its own on 127.0.0.1. FILE is written as a whole once all listen:
{"random": 40123, ...}, which is what PULUMI_DEBUG_PROVIDERS needs. Ends on SIGTERM; what the plugins
have started is ended too. Relative paths that commands use start at the working directory.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.plugins import PLUGINS, load
from lab.plugins.servicer import Servicer

log = logging.getLogger("lab.plugins")

HOST = "127.0.0.1"
THREADS = 64
"""Operations at once per plugin. Most of them wait for something."""
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main() -> None:
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options.ports_file.unlink(missing_ok=True)  # those of an earlier run are of no use
    servers = {name: _serve(name) for name in options.only}
    ports = {name: port for name, (_, port) in servers.items()}
    _write(options.ports_file, ports)
    log.info("serving %s", ports)
    stop.wait()
    for server, _ in servers.values():
        server.stop(grace=None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.plugins", description="Serve the lab's provider plugins.")
    parser.add_argument("--ports-file", type=Path, required=True, help="where to write the ports, as JSON")
    parser.add_argument("--only", type=_names, default=PLUGINS, help="comma-separated plugins, all by default")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := sorted(set(names) - set(PLUGINS)):
        raise argparse.ArgumentTypeError(f"unknown plugin {', '.join(unknown)}: one of {', '.join(PLUGINS)}")
    return names


def _serve(name: str) -> tuple[grpc.Server, int]:
    server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix=name), options=NO_LIMIT)
    servicer = Servicer(name, functools.partial(load, name))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    return server, port


def _write(path: Path, ports: dict[str, int]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(ports))
    draft.replace(path)


if __name__ == "__main__":
    main()
