"""The engine's provider protocol for a `Plugin`.

One servicer serves every provider instance of its package: an attached plugin gets `Configure` from
each of them, and later calls do not say which one they come from. Each instance has a connection of
its own, so configurations are kept per gRPC peer.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

from lab.plugins import responses, wire
from lab.plugins.base import Call, PartialCreate, Plugin, Props, Resource, ResourceError
from lab.plugins.messages import Messages

log = logging.getLogger(__name__)

SDK_INPUTS: Final = frozenset({"version", "pluginDownloadURL", "__internal"})
"""What the engine adds to a provider's configuration for itself."""


@dataclass
class _Peer:
    """One provider instance."""

    engine: str = ""
    config: Any = None
    config_secrets: list[str] = field(default_factory=list)
    running: set[threading.Event] = field(default_factory=set)


def _operation(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turns what a plugin raises into the gRPC errors that the engine understands."""

    @functools.wraps(method)
    def guarded(self: Servicer, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except PartialCreate as error:
            context.abort_with_status(self._init_failed(error, request, context))
        except ResourceError as error:
            # Not UNKNOWN or INTERNAL: after those the engine no longer trusts the resource's state.
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, self._redact(str(error), request, context))
        except Exception as error:  # noqa: BLE001 - the engine needs an answer whatever happens
            # Without the exception's text, which may hold a secret value.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            where = traceback.extract_tb(error.__traceback__)[-1]
            context.abort(
                grpc.StatusCode.INTERNAL,
                f"bug in the lab's {self._name} plugin: {type(error).__name__} "
                f"at {where.filename}:{where.lineno} (its log has the traceback)",
            )

    return guarded


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one plugin, which is loaded at the first call that needs it.

    Args:
        name: Package name, such as `random`.
        load: Returns the plugin.
    """

    def __init__(self, name: str, load: Callable[[], Plugin]) -> None:
        self._name = name
        self._load = functools.cache(load)
        self._loading = threading.Lock()
        self._peers: dict[str, _Peer] = {}

    @property
    def _plugin(self) -> Plugin:
        with self._loading:
            return self._load()

    # The connection ---------------------------------------------------------------------------

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ProviderHandshakeResponse:
        self._peers[context.peer()] = _Peer(engine=request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._peers[context.peer()] = _Peer(engine=request.address)
        return empty_pb2.Empty()

    @_operation
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._plugin.version)

    @_operation
    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.GetSchemaResponse:
        """Empty: programs use the official SDKs, which carry the schema."""
        schema = {"name": self._name, "version": self._plugin.version}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        for cancelled in list(self._peer(context).running):
            cancelled.set()
        return empty_pb2.Empty()

    def _peer(self, context: grpc.ServicerContext) -> _Peer:
        return self._peers.setdefault(context.peer(), _Peer())

    # The provider's configuration -------------------------------------------------------------

    @_operation
    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        olds = self._config(request.olds)[0] if request.HasField("olds") else None
        news, secrets, internal = self._config(request.news)
        inputs, failures = self._plugin.check_config(news, olds)
        redact = functools.partial(self._redact, request=request, context=context)
        encoded = {name: self._config_text(name, value) for name, value in inputs.items()}
        return provider_pb2.CheckResponse(
            inputs=wire.encode_map({**encoded, **internal}, secrets),
            failures=responses.failures(failures, secrets, redact),
        )

    @_operation
    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        olds, _, _ = self._config(request.old_inputs)
        news, _, _ = self._config(request.news)
        return responses.diff(self._plugin.diff_config(olds, news), olds, news)

    @_operation
    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        args, secrets, _ = self._config(request.args)
        peer = self._peer(context)
        peer.config_secrets = list(wire.secret_texts(args, secrets))
        peer.config = self._plugin.configure(args)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _config(self, struct: struct_pb2.Struct) -> tuple[Props, dict[str | int, wire.Secrets], Props]:
        """The plugin's configuration, where it is secret, and what in it is the engine's own."""
        values, secrets = wire.decode_map(struct)
        internal = {name: values.pop(name) for name in SDK_INPUTS & values.keys()}
        for name in self._plugin.json_config & values.keys():
            if isinstance(values[name], str):
                try:
                    values[name] = json.loads(values[name])
                except ValueError:
                    raise ResourceError(
                        f"{self._name}:{name} must be JSON text, such as true, 3 or an object"
                    ) from None
        return values, secrets, internal

    def _config_text(self, name: str, value: Any) -> Any:
        """The form in which the SDKs send it, so that the state holds what the next run compares."""
        encode = name in self._plugin.json_config and isinstance(value, bool | int | float | list | dict)
        return json.dumps(value) if encode else value

    # Resources --------------------------------------------------------------------------------

    @_operation
    def Check(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        resource = self._resource(request.urn)
        olds = wire.decode_map(request.olds)[0] if request.HasField("olds") else None
        news, secrets = wire.decode_map(request.news)
        with self._call(request, context) as call:
            inputs, failures = resource.check(news, olds, call)
        redact = functools.partial(self._redact, request=request, context=context)
        always = wire.whole(resource.secret_outputs)
        return provider_pb2.CheckResponse(
            inputs=wire.encode_map(inputs, wire.merge(secrets, always)),
            failures=responses.failures(failures, secrets, redact),
        )

    @_operation
    def Diff(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        resource = self._resource(request.urn)
        outputs, _ = wire.decode_map(request.olds)
        olds, _ = wire.decode_map(request.old_inputs)
        news, _ = wire.decode_map(request.news)
        with self._call(request, context) as call:
            return responses.diff(resource.diff(olds, outputs, news, call), olds, news)

    @_operation
    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        resource = self._resource(request.urn)
        inputs, secrets = wire.decode_map(request.properties)
        with self._call(request, context) as call:
            if request.preview:
                id, outputs = "", resource.preview_create(inputs, call)
            else:
                id, outputs = resource.create(inputs, call)
        return provider_pb2.CreateResponse(id=id, properties=responses.outputs(resource, outputs, secrets))

    @_operation
    def Read(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        resource = self._resource(request.urn)
        inputs, input_secrets = wire.decode_map(request.inputs)
        outputs, output_secrets = wire.decode_map(request.properties)
        with self._call(request, context) as call:
            found = resource.read(request.id, inputs, outputs, call)
        if found is None:
            return provider_pb2.ReadResponse()
        id, inputs, outputs = found
        always = wire.whole(resource.secret_outputs)
        return provider_pb2.ReadResponse(
            id=id,
            inputs=wire.encode_map(inputs, wire.merge(input_secrets, always)),
            properties=responses.outputs(resource, outputs, input_secrets, output_secrets),
        )

    @_operation
    def Update(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        resource = self._resource(request.urn)
        outputs, _ = wire.decode_map(request.olds)
        olds, _ = wire.decode_map(request.old_inputs)
        news, secrets = wire.decode_map(request.news)
        with self._call(request, context) as call:
            step = resource.preview_update if request.preview else resource.update
            return provider_pb2.UpdateResponse(
                properties=responses.outputs(resource, step(request.id, outputs, olds, news, call), secrets)
            )

    @_operation
    def Delete(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        outputs, _ = wire.decode_map(request.properties)
        with self._call(request, context) as call:
            self._resource(request.urn).delete(request.id, outputs, call)
        return empty_pb2.Empty()

    @_operation
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        function = self._plugin.functions.get(request.tok)
        if function is None:
            raise ResourceError(f"the lab's {self._name} plugin does not model the function {request.tok}")
        args, secrets = wire.decode_map(request.args)
        with self._call(request, context) as call:
            result = function(args, call)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(wire.encode_map(result, secrets))  # `return` is a keyword of Python
        return response

    def _resource(self, urn: str) -> Resource:
        # urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>
        return self._plugin.resource(urn.split("::")[2].rpartition("$")[2])

    @contextmanager
    def _call(self, request: Any, context: grpc.ServicerContext) -> Iterator[Call]:
        peer = self._peer(context)
        urn = getattr(request, "urn", "")
        messages = Messages(peer.engine, urn)
        call = Call(
            config=peer.config,
            urn=urn,
            timeout=getattr(request, "timeout", 0.0),
            log=lambda message: messages.show(self._redact(message, request, context)),
        )
        # Also when the engine goes away without a word: what it asked for is of no use any more.
        if not context.add_callback(call.cancelled.set):
            call.cancelled.set()
        peer.running.add(call.cancelled)
        try:
            yield call
        finally:
            peer.running.discard(call.cancelled)
            messages.close()

    # Messages ---------------------------------------------------------------------------------

    def _redact(self, message: str, request: Any, context: grpc.ServicerContext) -> str:
        texts = list(self._peer(context).config_secrets)
        shown = self._shown(getattr(request, "urn", ""))
        for name in ("news", "olds", "old_inputs", "properties", "inputs", "args"):
            struct = getattr(request, name, None)
            if isinstance(struct, struct_pb2.Struct):
                try:
                    texts += wire.secret_texts(*wire.decode_map(struct), shown)
                except ResourceError:  # an asset: refused before anything could be said about it
                    continue
        return wire.redact(message, texts)

    def _shown(self, urn: str) -> frozenset[str]:
        try:
            return self._resource(urn).shown if urn else frozenset()
        except ResourceError:  # a type that is not modelled, or the provider itself
            return frozenset()

    def _init_failed(self, error: PartialCreate, request: Any, context: grpc.ServicerContext) -> responses.Status:
        names = request.DESCRIPTOR.fields_by_name
        inputs = next(getattr(request, name) for name in ("news", "inputs", "properties") if name in names)
        secrets = wire.decode_map(inputs)[1]
        values = responses.outputs(self._resource(request.urn), error.outputs, secrets)
        return responses.init_failed(error.id, values, inputs, self._redact(str(error), request, context))
