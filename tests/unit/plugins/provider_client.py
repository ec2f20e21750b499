"""The engine's side of the provider protocol."""

from __future__ import annotations

from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.plugins import wire
from lab.plugins.base import Props


class Engine:
    """One provider instance of the engine: a connection of its own, configured."""

    def __init__(self, port: int, config: Props, config_secrets: wire.Secrets = False) -> None:
        # Without a pool of its own, gRPC would share one connection among channels to one address.
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.stub.Configure(provider_pb2.ConfigureRequest(args=wire.encode_map(config, config_secrets)))

    @staticmethod
    def urn(token: str) -> str:
        return f"urn:pulumi:dev::project::pulumi:pulumi:Stack${token}::name"

    def check(self, token: str, inputs: Props, secrets: wire.Secrets = False) -> Any:
        news = wire.encode_map(inputs, secrets)
        return self.stub.Check(provider_pb2.CheckRequest(urn=self.urn(token), news=news))

    def create(self, token: str, inputs: Props, secrets: wire.Secrets = False, *, preview: bool = False) -> Any:
        properties = wire.encode_map(inputs, secrets)
        return self.stub.Create(provider_pb2.CreateRequest(urn=self.urn(token), properties=properties, preview=preview))
