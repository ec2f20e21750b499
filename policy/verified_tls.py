"""Whom the platform talks to is who it says it is: TLS everywhere, and certificates are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from pulumi_policy import ResourceValidationArgs

from components.loopback import is_loopback
from policy.rules import known, policy, section, values

URLS: Final = ("endpoint", "apiUrl", "directory")
"""Inputs that name a server."""


def unverified(args: ResourceValidationArgs) -> Iterator[str]:
    """Connections whose other end may be anybody."""
    properties = values(args.props)
    if str(properties.get("insecure")).lower() == "true":
        yield "accepts any certificate (insecure): leave it off, and let the runner trust the server's authority."
    if args.resource_type == "proxmoxve:download/file:File" and properties.get("verify") is False:
        yield "accepts any certificate of the server that it downloads from (verify): leave it on."
    kubeconfig = properties.get("kubeconfig")
    if re.search(r"insecure-skip-tls-verify\"?:\s*true", str(kubeconfig or "")):
        yield "accepts any certificate of the API server (insecure-skip-tls-verify): give its authority instead."
    if section(properties, "spec", "egressMTLS").get("verifyServer") is False:
        yield "accepts any certificate of the service that it publishes (verifyServer): give its caCertificate."
    for key in URLS:
        yield from _clear(key, properties.get(key))
    yield from _clear("repositoryOpts.repo", section(properties, "repositoryOpts").get("repo"))


def _clear(key: str, url: Any) -> Iterator[str]:
    if not isinstance(url, str) or not known(url):
        return
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield f"talks to {url} in clear ({key}): use https."


POLICIES: Final = [policy("tls-verified", "Connections use TLS and check certificates.", unverified)]
