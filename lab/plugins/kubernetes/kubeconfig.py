"""Reads a kubeconfig: where the API server is and how to log in to it.

Only what travels well in a stack's configuration is understood: certificates and tokens, inline or
as files. Credential plugins (`exec`, `auth-provider`) and basic authentication are refused.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(Exception):
    """The kubeconfig cannot be used. The message never quotes its content."""


@dataclass(frozen=True)
class Kubeconfig:
    """The active context of a kubeconfig."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str

    @classmethod
    def load(cls, source: str, context: str = "", cluster: str = "") -> Kubeconfig:
        """Resolve one context.

        Args:
            source: The kubeconfig's text, or the path of a file that holds it.
            context: Name of the context; empty for the file's `current-context`.
            cluster: Name of a cluster that replaces the context's own; empty for none.

        Raises:
            KubeconfigError: when it is no kubeconfig, or a name in it leads nowhere.
        """
        document = _parse(source)
        entry = _named(document, "contexts", "context", context or str(document.get("current-context") or ""))
        return cls(
            cluster=_named(document, "clusters", "cluster", cluster or str(entry.get("cluster") or "")),
            user=_named(document, "users", "user", str(entry.get("user") or "")),
            namespace=str(entry.get("namespace") or "default"),
        )

    @property
    def server(self) -> str:
        """Base URL of the API server, without a slash at the end."""
        server = str(self.cluster.get("server") or "")
        if not server.startswith(("https://", "http://")):
            raise KubeconfigError("the kubeconfig's cluster has no server URL (https://address:port)")
        return server.rstrip("/")

    def dump(self) -> str:
        """The text of a kubeconfig that holds this context only, for programs that want a file."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "only",
                "clusters": [{"name": "only", "cluster": self.cluster}],
                "users": [{"name": "only", "user": self.user}],
                "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
            }
        )

    @cached_property
    def headers(self) -> dict[str, str]:
        """HTTP headers that authenticate the user: none with a client certificate."""
        for method in ("exec", "auth-provider", "username"):
            if self.user.get(method):
                raise KubeconfigError(
                    f"the kubeconfig's user logs in by {method!r}, which the lab does not model: "
                    "use a client certificate or a token"
                )
        token = self.user.get("token") or _text(self.user.get("tokenFile"))
        return {"Authorization": f"Bearer {token.strip()}"} if token else {}

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Trusts the cluster's CA only, and presents the user's certificate, if any."""
        authority = _material(self.cluster, "certificate-authority")
        tls = ssl.create_default_context(cadata=authority or None)
        if self.cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        certificate, key = (_material(self.user, "client-certificate"), _material(self.user, "client-key"))
        if certificate and key:
            _load_certificate(tls, certificate, key)
        return tls


def _parse(source: str) -> dict[str, Any]:
    text = source if "\n" in source or source.lstrip().startswith("{") else _text(str(Path(source).expanduser()))
    try:
        document = yaml.safe_load(text or "")
    except yaml.YAMLError:
        raise KubeconfigError("the kubeconfig is not valid YAML") from None
    if not isinstance(document, dict) or "clusters" not in document:
        raise KubeconfigError("the kubeconfig holds no clusters: give the text of one, or the path of its file")
    return document


def _named(document: Mapping[str, Any], section: str, kind: str, name: str) -> Mapping[str, Any]:
    for item in document.get(section) or []:
        if item.get("name") == name:
            return item.get(kind) or {}
    known = ", ".join(str(item.get("name")) for item in document.get(section) or []) or "none"
    raise KubeconfigError(f"the kubeconfig has no {kind} named {name!r} (it has: {known})")


def _text(path: str | None) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}") from None


def _material(section: Mapping[str, Any], name: str) -> str:
    """PEM text of `name`, given inline as base64 (`name-data`) or as a file."""
    inline = section.get(f"{name}-data")
    return base64.b64decode(inline).decode() if inline else _text(section.get(name))


def _load_certificate(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    # The ssl module takes a client key from a file only; mkstemp makes it readable by us alone.
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{certificate}\n{key}\n")
        tls.load_cert_chain(path)
    except ssl.SSLError:
        raise KubeconfigError("the kubeconfig's client certificate and key do not fit together") from None
    finally:
        Path(path).unlink()
