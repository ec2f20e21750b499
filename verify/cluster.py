"""The Kubernetes cluster, through its API and the kubeconfig among the outputs."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel

from verify.checks import CheckFailed
from verify.https import Connection
from verify.stack import Stack

Object = dict[str, Any]
"""A Kubernetes object."""

JSON = "application/json"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
"""https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass"""


class Machine(BaseModel):
    """What is read of each of the output `nodes`."""

    name: str


class Cluster:
    """The API server, as the user of a kubeconfig. Every method raises `CheckFailed`.

    Args:
        kubeconfig: Text with embedded certificates, as Kubespray makes it.
    """

    def __init__(self, kubeconfig: str) -> None:
        cluster, user = _current_context(kubeconfig)
        try:
            url = urlsplit(cluster["server"])
            self._host, self._port = str(url.hostname), url.port or 443
            self._tls = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority-data"))
            self.certificate = _pem(user, "client-certificate-data")
            # The ssl module takes a client's key from a file only; this one is ours alone, and gone at once.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{self.certificate}\n{_pem(user, 'client-key-data')}\n")
                file.flush()
                self._tls.load_cert_chain(file.name)
        except (KeyError, ValueError, ssl.SSLError):
            raise CheckFailed(
                "the output kubeconfig must name a server and embed its CA, a client certificate and that one's key"
            ) from None

    @classmethod
    def of(cls, stack: Stack) -> Cluster:
        """The cluster of a stack."""
        return cls(stack.output("kubeconfig", str))

    def get(self, path: str, accept: str = JSON) -> Object:
        """Read an object, or a list of them, by its URL path, in the form that is accepted."""
        return self._ask("GET", path, accept)

    def find(self, path: str) -> Object | None:
        """The same; None if it is not there."""
        try:
            return self.get(path)
        except _NotFound:
            return None

    def items(self, path: str, accept: str = JSON) -> list[Object]:
        """The objects of a collection."""
        items: list[Object] = self.get(path, accept)["items"]
        return items

    def delete(self, path: str) -> None:
        """Delete an object. One that is not there is no error."""
        with suppress(_NotFound):
            self._ask("DELETE", path, JSON)

    def _ask(self, method: str, path: str, accept: str) -> Object:
        with Connection(self._host, self._port, self._host, self._tls) as connection:
            answer = connection.request(method, path, {"Accept": accept})
        failure = _NotFound if answer.status == 404 else CheckFailed
        try:
            found: Object = json.loads(answer.body)
        except ValueError:
            raise failure(f"the Kubernetes API answers HTTP {answer.status}, and no JSON, to {path}") from None
        if answer.status != 200:
            raise failure(f"the Kubernetes API refuses (HTTP {answer.status}): {found.get('message', path)}")
        return found


class _NotFound(CheckFailed):
    """The API has nothing at that path."""


def nodes(stack: Stack) -> str:
    """Each machine, of whatever role, is a node of the cluster, each node is one of them, and all are ready.

    Raises:
        CheckFailed: with every node that is missing, in excess or not ready.
    """
    machines = {machine.name for machine in stack.output("nodes", list[Machine])}
    found = {node["metadata"]["name"]: node for node in Cluster.of(stack).items("/api/v1/nodes")}
    problems = [f"{name} is no node of the cluster" for name in sorted(machines - found.keys())]
    problems += [f"{name} is a node, but no machine of the stack" for name in sorted(found.keys() - machines)]
    for name, node in sorted(found.items()):
        ready = _condition(node, "Ready")
        if ready.get("status") != "True":
            problems.append(f"{name} is not ready: {ready.get('message') or 'it has not reported yet'}")
    if problems:
        raise CheckFailed("; ".join(problems))
    return f"{len(found)} of {len(machines)} ready"


def storage_class(stack: Stack) -> str:
    """The storage class among the outputs exists, and is the one default.

    Raises:
        CheckFailed: it is not.
    """
    name = stack.output("storageClass", str)
    classes = {
        item["metadata"]["name"]: item for item in Cluster.of(stack).items("/apis/storage.k8s.io/v1/storageclasses")
    }
    defaults = [other for other, item in sorted(classes.items()) if _is_default(item)]
    if name not in classes:
        raise CheckFailed(f"there is no storage class {name}, only: {', '.join(sorted(classes)) or 'none'}")
    if defaults != [name]:
        raise CheckFailed(f"{name} has to be the only default storage class; default: {', '.join(defaults) or 'none'}")
    return f"default, by {classes[name]['provisioner']}"


def _is_default(storage_class: Object) -> bool:
    return bool(storage_class["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true")


def _condition(node: Object, kind: str) -> Object:
    conditions: list[Object] = node.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _current_context(text: str) -> tuple[Object, Object]:
    """The cluster and the user of a kubeconfig's current context."""
    try:
        config = yaml.safe_load(text)
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster, user = _named(config["clusters"], context["cluster"]), _named(config["users"], context["user"])
        return cluster["cluster"], user["user"]
    except (yaml.YAMLError, KeyError, TypeError, StopIteration):
        raise CheckFailed("the output kubeconfig is no kubeconfig with a current context") from None


def _named(entries: list[Object], name: str) -> Object:
    return next(entry for entry in entries if entry["name"] == name)


def _pem(section: Mapping[str, Any], key: str) -> str:
    return base64.b64decode(section[key]).decode("ascii")
