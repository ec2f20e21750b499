"""Lines of progress, shown by the engine beside the resource they are about."""

from __future__ import annotations

import logging

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

log = logging.getLogger(__name__)


class Messages:
    """The way to the engine for one operation. Opened by the first line; to be closed.

    Args:
        engine: Address of the engine; empty for one that takes no messages.
        urn: The resource.
    """

    def __init__(self, engine: str, urn: str) -> None:
        self._engine = engine
        self._urn = urn
        self._channel: grpc.Channel | None = None

    def show(self, message: str) -> None:
        if not self._engine:
            return
        self._channel = self._channel or grpc.insecure_channel(self._engine)
        line = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=self._urn, ephemeral=True)
        try:
            engine_pb2_grpc.EngineStub(self._channel).Log(line)
        except grpc.RpcError:  # the operation itself learns that the engine is gone by `Call.cancelled`
            log.info("the engine at %s takes no messages any more", self._engine)

    def close(self) -> None:
        if self._channel:
            self._channel.close()
