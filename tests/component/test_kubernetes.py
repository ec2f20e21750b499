"""KubernetesCluster under mocks: readiness, the cluster's inputs, what is secret."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, TypeVar

import pulumi
import pytest
from pulumi.runtime import rpc

from components.kubernetes import KubernetesCluster, KubernetesClusterArgs
from components.machines import Login, Machine
from settings import Kubernetes
from tests.component.mocks import Agreeing

Test = TypeVar("Test", bound=Callable[..., pulumi.Output[None]])
runtime_test: Callable[[Test], Test] = pulumi.runtime.test  # the SDK leaves it untyped
# pulumi_command warns of its own CopyFile when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:This resource is deprecated:DeprecationWarning:pulumi_command")
COMMAND = "command:remote:Command"
CLUSTER = "pulumi-python:dynamic/kubernetes:KubesprayCluster"
ATTEMPTED = "pulumi-python:dynamic/kubernetes:AttemptedMembers"
FILE = "pulumi-python:dynamic/kubernetes:KubeconfigFile"


class Mocks(Agreeing):
    def __init__(self) -> None:
        self.made: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        outputs: dict[str, dict[str, Any]] = {
            CLUSTER: {"kubeconfig": "apiVersion: v1", "recap": "cluster.yml  ok"},
            ATTEMPTED: {"attempted": ["what is written down"], "begun": ["versions"]},
        }
        return args.name, {**args.inputs, **outputs.get(args.typ, {})}

    def inputs(self, typ: str) -> dict[str, dict[str, Any]]:
        return {args.name: args.inputs for args in self.made if args.typ == typ}


@pytest.fixture
def mocks() -> Mocks:
    mocks = Mocks()
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        # A test that ran before with `asyncio.run` has left this thread without a loop.
        asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(mocks, project="oss-nextgen", stack="paris", preview=False)
    return mocks


def machine(number: int, role: str) -> Machine:
    name, address = f"paris-{role}-{number}", f"10.75.10.{100 + number}"
    uuid = pulumi.Output.from_input(f"uuid-{number}")
    return Machine(name, role, 2100 + number, "pve1", pulumi.Output.from_input(address), uuid)


def make() -> KubernetesCluster:
    args = KubernetesClusterArgs(
        site="paris",
        kubernetes=Kubernetes(api_server=IPv4Address("10.75.10.10")),
        machines=[machine(1, "control-plane"), machine(2, "worker")],
        login=Login("ossng", 2222, 900, pulumi.Output.secret("-----BEGIN")),
    )
    return KubernetesCluster("paris-kubernetes", args)


@runtime_test
def test_the_cluster_is_made_of_the_machines(mocks: Mocks) -> pulumi.Output[None]:
    def check(_: Any) -> None:
        (inputs,) = mocks.inputs(CLUSTER).values()
        assert inputs["nodes"] == [
            {
                "name": "paris-control-plane-1",
                "address": "10.75.10.101",
                "role": "control-plane",
                "uuid": "uuid-1",
                "zone": "pve1",
            },
            {"name": "paris-worker-2", "address": "10.75.10.102", "role": "worker", "uuid": "uuid-2", "zone": "pve1"},
        ]
        (attempt,) = mocks.inputs(ATTEMPTED).values()
        assert attempt["nodes"] == inputs["nodes"]
        assert inputs["attempted"] == ["what is written down"]
        assert (attempt["kubespray"], attempt["version"]) == (inputs["kubespray"]["version"], inputs["version"])
        assert inputs["begun"] == ["versions"]
        assert inputs["apiServer"] == "10.75.10.10"
        assert inputs["kubespray"]["version"] == "v2.31.0"

    return make().kubeconfig.apply(check)


@runtime_test
def test_each_machine_is_waited_for(mocks: Mocks) -> pulumi.Output[None]:
    def check(_: Any) -> None:
        commands = mocks.inputs(COMMAND)
        assert {name: rpc.unwrap_rpc_secret(inputs["connection"])["host"] for name, inputs in commands.items()} == {
            "paris-kubernetes-ready-paris-control-plane-1": "10.75.10.101",
            "paris-kubernetes-ready-paris-worker-2": "10.75.10.102",
        }
        assert {inputs["create"] for inputs in commands.values()} == {"cloud-init status --wait"}
        assert [inputs["triggers"] for inputs in commands.values()] == [["uuid-1"], ["uuid-2"]]

    return make().kubeconfig.apply(check)


@runtime_test
def test_outputs(mocks: Mocks) -> pulumi.Output[None]:
    cluster = make()

    def check(values: list[str]) -> None:
        assert values == ["apiVersion: v1", ".kube/paris.yaml", "https://10.75.10.10:6443", "cluster.yml  ok"]
        assert mocks.inputs(FILE)["paris-kubernetes-kubeconfig"]["content"] == "apiVersion: v1"

    return pulumi.Output.all(cluster.kubeconfig, cluster.kubeconfig_path, cluster.api_server, cluster.recap).apply(
        check
    )


@runtime_test
def test_the_key_stays_a_secret(mocks: Mocks) -> pulumi.Output[None]:
    def check(_: Any) -> None:
        (inputs,) = mocks.inputs(CLUSTER).values()
        connections = [inputs["connection"] for inputs in mocks.inputs(COMMAND).values()]
        assert all(rpc.is_rpc_secret(value) for value in [inputs["privateKey"], *connections])

    return make().kubeconfig.apply(check)
