"""Which provider plugins are official on this machine, and which the lab stands in for."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from lab.plugins import PLUGINS

BLIND_TO_LOOPBACK = frozenset({"proxmoxve"})
"""Passes over the loopback addresses that a guest agent reports, and the lab's machines have no others:
each would be waited for in vain."""


def plugin_version(name: str) -> str:
    """Version of the provider: that of its SDK, which the requirements pin."""
    return version(f"pulumi-{name}")


def installed(name: str) -> bool:
    """True if the official plugin, at the SDK's version, is where the engine looks for it, and works on the lab."""
    if name in BLIND_TO_LOOPBACK:
        return False
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    return (home / "plugins" / f"resource-{name}-v{plugin_version(name)}" / f"pulumi-resource-{name}").exists()


def stand_ins() -> list[str]:
    """The plugins that the lab must serve itself."""
    return [name for name in PLUGINS if not installed(name)]
