"""Plugins served over real gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from lab.plugins import wire
from lab.plugins.base import Call, Plugin, Props
from lab.plugins.servicer import Servicer
from tests.unit.plugins.provider_client import Engine


@pytest.fixture
def serve() -> Iterator[Callable[[Plugin], Callable[..., Engine]]]:
    """Serves a plugin; returns what connects to it: `connect(config={}, config_secrets=False)`."""
    servers: list[grpc.Server] = []
    engines: list[Engine] = []

    def start(plugin: Plugin) -> Callable[..., Engine]:
        server = grpc.server(ThreadPoolExecutor(8))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(plugin.name, lambda: plugin), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)

        def connect(config: Props | None = None, config_secrets: wire.Secrets = False) -> Engine:
            engines.append(Engine(port, config or {}, config_secrets))
            return engines[-1]

        return connect

    yield start
    for engine in engines:
        engine.channel.close()
    for server in servers:
        server.stop(grace=None).wait()


@pytest.fixture
def call() -> Call:
    """The circumstances of an operation on a resource called `name`."""
    return Call(config=None, urn=Engine.urn("test:index:Test"))
