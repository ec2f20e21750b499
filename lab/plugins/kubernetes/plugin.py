"""The lab's stand-in for the kubernetes provider plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import yaml

from lab.plugins.base import Call, Diff, Failure, Plugin, Props, Resource
from lab.plugins.kubernetes import provider
from lab.plugins.kubernetes.helm import Release
from lab.plugins.kubernetes.resource import KubernetesObject, SecretObject

_PROGRAMS: Final = ("helm.sh/", "kustomize", "yaml")
"""Modules of the SDK whose resources are no objects of an API server."""

_OBJECT: Final = KubernetesObject()


def decode(args: Props, _: Call) -> Props:
    """The objects of a text of YAML documents, for `yaml.ConfigGroup`."""
    return {"result": [document for document in yaml.safe_load_all(args["text"]) if document]}


class KubernetesPlugin(Plugin):
    """Works against a real API server: any built-in kind, any custom resource."""

    name: ClassVar[str] = "kubernetes"
    version: ClassVar[str] = "4.34.2"
    json_config: ClassVar[frozenset[str]] = provider.FLAGS
    resources: ClassVar[Mapping[str, Resource]] = {
        "kubernetes:core/v1:Secret": SecretObject(),
        "kubernetes:helm.sh/v3:Release": Release(),
    }
    functions: ClassVar[Mapping[str, Callable[[Props, Call], Props]]] = {"kubernetes:yaml:decode": decode}

    def resource(self, token: str) -> Resource:
        """A resource modelled by itself, else the generic one for every kind that a server may serve."""
        module = token.split(":")[1]
        if token in self.resources or "/" not in module or module.startswith(_PROGRAMS):
            return super().resource(token)
        return _OBJECT

    def check_config(self, inputs: Props, olds: Props | None) -> tuple[Props, list[Failure]]:
        return inputs, provider.checked(inputs)

    def diff_config(self, inputs_old: Props, inputs_new: Props) -> Diff:
        return provider.difference(inputs_old, inputs_new)

    def configure(self, args: Props) -> provider.Provider:
        return provider.Provider(args)


PLUGIN: Final = KubernetesPlugin()
