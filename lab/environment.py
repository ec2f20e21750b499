"""The environment that the program, the engine and a person's shell run in on the lab."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.authority import Authority
from lab.files import write_private
from lab.layout import REPOSITORY, Lab, Site
from lab.services.catalog import plugin_ports


def base(lab: Lab, tools: Sequence[Path]) -> dict[str, str]:
    """What all sites share.

    Args:
        tools: Folders with the resolved tools, first on the PATH after the virtual environment.
    """
    bundle = str(Authority(lab.home).bundle)
    if not lab.passphrase.exists():
        write_private(lab.passphrase, secrets.token_urlsafe(32))
    return {
        "OSS_NEXTGEN_LAB_HOME": str(lab.home),
        "OSS_NEXTGEN_LAB_BLOCK": str(lab.block),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *map(str, tools), os.environ["PATH"]]),
        # The template's defaults suit real firmware and a real installer; the lab's answer at once.
        "PKR_VAR_boot_wait": "1s",
        "PKR_VAR_ssh_timeout": "60s",
        "PYTHONPATH": str(REPOSITORY),
        "PULUMI_BACKEND_URL": f"file://{lab.state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(lab.passphrase),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
    }


def transfer_key(lab: Lab) -> str:
    """The key of zone transfers, the same on all sites: base64 of 32 bytes."""
    digest = hmac.digest(lab.passphrase.read_bytes(), b"zone transfers", "sha256")
    return base64.b64encode(digest).decode()


def of_site(site: Site, base: Mapping[str, str]) -> dict[str, str]:
    """What one site adds: its stack, the lab's copy of its configuration, its plugins, its kubeconfig."""
    ports = json.loads(plugin_ports(site.lab).read_text()) if plugin_ports(site.lab).exists() else {}
    return {
        **base,
        "PULUMI_STACK": site.name,
        "PULUMI_OPTION_CONFIG_FILE": str(site.stack_file),
        "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in ports.items()),
        "KUBECONFIG": str(site.kubeconfig),
    }


def exports(env: Mapping[str, str]) -> str:
    """`export` lines for `eval`. The PATH grows; nothing else of the caller's is kept."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())
