"""The provider protocol, over real gRPC, with a small plugin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, status_pb2

from lab.plugins import wire
from lab.plugins.base import UNKNOWN, Call, Failure, PartialCreate, Plugin, Props, Resource, ResourceError
from tests.unit.plugins.provider_client import Engine

TOKEN = "test:index:Thing"
TARGET = {"host": "example.org", "password": "hunter2"}
Connect = Callable[..., Engine]


class Thing(Resource):
    """Does what its input `behave` says."""

    token = TOKEN
    computed = frozenset({"made"})
    secret_outputs = frozenset({"secretAlways"})
    secret_flow: ClassVar[Mapping[str, frozenset[str]]] = {"made": frozenset({"password"})}
    replace_on = frozenset({"name"})
    shown = frozenset({"target.host"})

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()

    def check(self, inputs: Props, olds: Props | None, call: Call) -> tuple[Props, list[Failure]]:
        mistrusted = inputs.get("behave") == "mistrust"
        return inputs, [Failure("password", f"{inputs['password']} is weak")] if mistrusted else []

    def create(self, inputs: Props, call: Call) -> tuple[str, Props]:
        outputs = {**inputs, "made": call.config["where"], "secretAlways": "s"}
        match inputs.get("behave"):
            case "refuse":
                raise ResourceError(f"no room for {inputs['password']}")
            case "host":
                raise ResourceError(f"{inputs['target']['host']} refuses {inputs['target']['password']}")
            case "crash":
                raise ValueError(inputs["password"])
            case "half":
                raise PartialCreate("not ready: probe failed", "id-1", outputs)
            case "tell":
                call.log(f"using {inputs['password']}")
            case "wait":
                self.started.set()
                call.cancelled.wait()
                self.cancelled.set()
        return "id-1", outputs

    def read(self, id: str, inputs: Props, outputs: Props, call: Call) -> tuple[str, Props, Props] | None:
        return None if id == "gone" else (id, {**inputs, "name": "n"}, {**outputs, "secretAlways": "s"})

    def update(self, id: str, outputs_old: Props, inputs_old: Props, inputs_new: Props, call: Call) -> Props:
        return {**inputs_new, "made": outputs_old["made"]}

    def delete(self, id: str, outputs: Props, call: Call) -> None:
        raise ResourceError(f"{id} is locked by {outputs['made']}")


class ThingPlugin(Plugin):
    name = "test"
    version = "1.2.3"
    json_config = frozenset({"insecure", "ssh"})

    functions: ClassVar[Mapping[str, Callable[[Props, Call], Props]]] = {
        "test:index:double": lambda args, call: {"n": args["n"] * 2}
    }

    def __init__(self) -> None:
        self.thing = Thing()
        self.checked: list[Props] = []

    def resource(self, token: str) -> Resource:
        return self.thing if token == TOKEN else super().resource(token)

    def check_config(self, inputs: Props, olds: Props | None) -> tuple[Props, list[Failure]]:
        self.checked.append(inputs)
        return super().check_config(inputs, olds)


@pytest.fixture
def plugin() -> ThingPlugin:
    return ThingPlugin()


@pytest.fixture
def connect(serve: Callable[[Plugin], Connect], plugin: ThingPlugin) -> Connect:
    return serve(plugin)


def error(run: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        run()
    return caught.value


def test_configuration_is_kept_per_connection(connect: Connect) -> None:
    first, second = connect({"where": "here"}), connect({"where": "there"})
    made = [engine.create(TOKEN, {}).properties["made"] for engine in (first, second, first)]
    assert made == ["here", "there", "here"]


def test_handshake_and_information(connect: Connect) -> None:
    stub = connect().stub
    handshake = stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert handshake.accept_secrets
    assert not handshake.accept_resources
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
    assert '"name": "test"' in stub.GetSchema(provider_pb2.GetSchemaRequest()).schema


def test_unknown_types_and_functions_are_refused_by_name(connect: Connect) -> None:
    engine = connect()
    assert (
        "the lab's test plugin does not model test:index:Other"
        in error(lambda: engine.check("test:index:Other", {})).details()
    )
    invoke = provider_pb2.InvokeRequest(tok="test:index:other")
    assert "does not model the function test:index:other" in error(lambda: engine.stub.Invoke(invoke)).details()


def test_invoke(connect: Connect) -> None:
    request = provider_pb2.InvokeRequest(tok="test:index:double", args=wire.encode_map({"n": 4}))
    assert getattr(connect().stub.Invoke(request), "return")["n"] == 8


def test_check_keeps_secrets_and_unknowns(connect: Connect) -> None:
    inputs = {"password": "p", "nested": {"a": UNKNOWN}, "secretAlways": "x"}
    response = connect().check(TOKEN, inputs, {"password": True})
    assert wire.decode_map(response.inputs) == (inputs, {"password": True, "secretAlways": True})


def test_outputs_are_secret_by_name_always_and_by_flow(connect: Connect) -> None:
    engine = connect({"where": "here"})
    _, plain = wire.decode_map(engine.create(TOKEN, {"a": 1}).properties)
    _, secret = wire.decode_map(
        engine.create(TOKEN, {"password": "p", "l": ["x"]}, {"password": True, "l": {0: True}}).properties
    )
    assert plain == {"secretAlways": True}
    assert secret == {"secretAlways": True, "password": True, "made": True, "l": True}


def test_preview(connect: Connect, plugin: ThingPlugin) -> None:
    response = connect({"where": "here"}).create(TOKEN, {"name": UNKNOWN, "behave": "crash"}, preview=True)
    assert response.id == ""
    assert wire.decode_map(response.properties)[0] == {"name": UNKNOWN, "behave": "crash", "made": UNKNOWN}


def test_diff_is_detailed(connect: Connect) -> None:
    request = provider_pb2.DiffRequest(
        urn=Engine.urn(TOKEN),
        old_inputs=wire.encode_map({"name": "a", "tags": {"x": 1}}),
        olds=wire.encode_map({"name": "a", "tags": {"x": 1}, "made": "here"}),
        news=wire.encode_map({"name": UNKNOWN, "tags": {"x": 2, "y": 3}}),
    )
    response = connect().stub.Diff(request)
    kinds = {path: provider_pb2.PropertyDiff.Kind.Name(change.kind) for path, change in response.detailedDiff.items()}
    assert kinds == {"name": "UPDATE_REPLACE", "tags.x": "UPDATE", "tags.y": "ADD"}
    assert list(response.replaces) == ["name"]
    assert list(response.diffs) == ["name", "tags"]
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME


def test_no_difference(connect: Connect) -> None:
    same = wire.encode_map({"name": "a"})
    response = connect().stub.Diff(
        provider_pb2.DiffRequest(urn=Engine.urn(TOKEN), old_inputs=same, olds=same, news=same)
    )
    assert response.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_update_and_delete(connect: Connect) -> None:
    stub = connect().stub
    old = wire.encode_map({"name": "a", "made": "here"})
    news = wire.encode_map({"name": "a", "password": "p"}, {"password": True})
    request = provider_pb2.UpdateRequest(urn=Engine.urn(TOKEN), id="id-1", olds=old, news=news)
    values, secrets = wire.decode_map(stub.Update(request).properties)
    assert values == {"name": "a", "password": "p", "made": "here"}
    assert secrets == {"password": True, "made": True}
    delete = provider_pb2.DeleteRequest(urn=Engine.urn(TOKEN), id="id-1", properties=old)
    assert error(lambda: stub.Delete(delete)).details() == "id-1 is locked by here"


def test_read_imports_refreshes_and_forgets(connect: Connect) -> None:
    stub = connect().stub
    imported = stub.Read(provider_pb2.ReadRequest(urn=Engine.urn(TOKEN), id="id-1"))
    assert imported.id == "id-1"
    assert wire.decode_map(imported.inputs)[0] == {"name": "n"}
    assert wire.decode_map(imported.properties) == ({"secretAlways": "s"}, {"secretAlways": True})
    assert stub.Read(provider_pb2.ReadRequest(urn=Engine.urn(TOKEN), id="gone")).id == ""


def test_an_object_that_is_not_ready_keeps_its_id_and_outputs(connect: Connect) -> None:
    inputs = {"behave": "half", "password": "p"}
    failure = error(lambda: connect({"where": "here"}).create(TOKEN, inputs, {"password": True}))
    status = status_pb2.Status.FromString(dict(failure.trailing_metadata())["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("id-1", ["not ready: probe failed"])
    assert wire.decode_map(detail.properties)[1] == {"secretAlways": True, "password": True, "made": True}
    assert wire.decode_map(detail.inputs) == (inputs, {"password": True})


def test_errors_hide_secrets_of_inputs_and_configuration(connect: Connect) -> None:
    inputs = {"behave": "refuse", "password": "hunter2"}
    failure = error(lambda: connect({"where": "here"}).create(TOKEN, inputs, {"password": True}))
    assert failure.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert failure.details() == "no room for [secret]"
    configured = connect({"where": "tokenvalue"}, {"where": True})
    delete = provider_pb2.DeleteRequest(
        urn=Engine.urn(TOKEN), id="id-1", properties=wire.encode_map({"made": "tokenvalue"})
    )
    assert error(lambda: configured.stub.Delete(delete)).details() == "id-1 is locked by [secret]"


def test_failures_of_a_check_hide_secrets(connect: Connect) -> None:
    """Nor do they name a secret property: the engine would show its value."""
    response = connect().check(TOKEN, {"password": "hunter2", "behave": "mistrust"}, {"password": True})
    assert [(failure.property, failure.reason) for failure in response.failures] == [("", "password: [secret] is weak")]


def test_errors_may_show_what_the_resource_says(connect: Connect, plugin: ThingPlugin) -> None:
    failure = error(
        lambda: connect({"where": "here"}).create(TOKEN, {"behave": "host", "target": TARGET}, {"target": True})
    )
    assert failure.details() == "example.org refuses [secret]"


def test_a_bug_is_reported_with_its_place_and_without_its_values(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = {"behave": "crash", "password": "hunter2"}
    details = error(lambda: connect({"where": "here"}).create(TOKEN, inputs)).details()
    assert "bug in the lab's test plugin: ValueError at" in details
    assert "test_servicer.py" in details
    assert "hunter2" not in details + caplog.text


class EngineMessages(engine_pb2_grpc.EngineServicer):
    """The engine's side of log messages."""

    def __init__(self) -> None:
        self.taken: list[engine_pb2.LogRequest] = []

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802 - gRPC
        self.taken.append(request)
        return empty_pb2.Empty()


def test_progress_reaches_the_engine_without_secrets(connect: Connect) -> None:
    server, messages = grpc.server(ThreadPoolExecutor(1)), EngineMessages()
    engine_pb2_grpc.add_EngineServicer_to_server(messages, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    engine = connect({})
    engine.stub.Attach(plugin_pb2.PluginAttach(address=address))
    engine.stub.Configure(provider_pb2.ConfigureRequest(args=wire.encode_map({"where": "here"})))
    engine.create(TOKEN, {"behave": "tell", "password": "hunter2"}, {"password": True})
    server.stop(grace=None).wait()
    assert [(line.message, line.urn) for line in messages.taken] == [("using [secret]", Engine.urn(TOKEN))]


@pytest.mark.parametrize("how", ["Cancel", "the engine goes away"])
def test_running_operations_learn_that_nobody_waits(connect: Connect, plugin: ThingPlugin, how: str) -> None:
    engine = connect({"where": "here"})
    properties = wire.encode_map({"behave": "wait"})
    running = engine.stub.Create.future(provider_pb2.CreateRequest(urn=Engine.urn(TOKEN), properties=properties))
    assert plugin.thing.started.wait(10)
    if how == "Cancel":
        engine.stub.Cancel(empty_pb2.Empty())
        assert running.result(10).id == "id-1"
    else:
        running.cancel()
    assert plugin.thing.cancelled.wait(10)


def test_configuration_that_is_no_string_arrives_as_json(connect: Connect, plugin: ThingPlugin) -> None:
    news = {"insecure": "true", "ssh": '{"agent": false}', "endpoint": "123", "version": "8.3.0"}
    response = connect().stub.CheckConfig(
        provider_pb2.CheckRequest(urn=Engine.urn("pulumi:providers:test"), news=wire.encode_map(news))
    )
    assert plugin.checked == [{"insecure": True, "ssh": {"agent": False}, "endpoint": "123"}]
    assert wire.decode_map(response.inputs)[0] == news


def test_configuration_that_should_be_json_and_is_not(connect: Connect) -> None:
    news = wire.encode_map({"insecure": "yes"})
    request = provider_pb2.CheckRequest(urn=Engine.urn("pulumi:providers:test"), news=news)
    assert "test:insecure must be JSON text" in error(lambda: connect().stub.CheckConfig(request)).details()


def test_a_changed_configuration_is_an_update(connect: Connect) -> None:
    request = provider_pb2.DiffRequest(
        old_inputs=wire.encode_map({"token": "a"}),
        olds=wire.encode_map({"token": "a"}),
        news=wire.encode_map({"token": "b"}),
    )
    response = connect().stub.DiffConfig(request)
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert not response.replaces


def test_assets_are_refused(connect: Connect) -> None:
    news = struct_pb2.Struct()
    news.update({"file": {wire.SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "path": "x"}})
    request = provider_pb2.CheckRequest(urn=Engine.urn(TOKEN), news=news)
    assert "file: the lab's plugins take no assets" in error(lambda: connect().stub.Check(request)).details()
