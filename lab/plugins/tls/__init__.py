"""Stand-in for the official tls plugin 5.5.1: keys, certificate requests and certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from lab.plugins.base import Call, Failure, Plugin, Props, Resource
from lab.plugins.tls.certificates import LocallySignedCert, SelfSignedCert
from lab.plugins.tls.keys import PrivateKey, get_public_key
from lab.plugins.tls.request import CertRequest


class TlsPlugin(Plugin):
    name = "tls"
    version = "5.5.1"
    resources: ClassVar[Mapping[str, Resource]] = {
        resource.token: resource for resource in (PrivateKey(), CertRequest(), SelfSignedCert(), LocallySignedCert())
    }
    functions: ClassVar[Mapping[str, Callable[[Props, Call], Props]]] = {
        "tls:index/getPublicKey:getPublicKey": get_public_key
    }

    def check_config(self, inputs: Props, olds: Props | None) -> tuple[Props, list[Failure]]:
        refused = [Failure(name, "the lab's tls plugin models no configuration") for name in inputs]
        return inputs, refused


PLUGIN = TlsPlugin()
