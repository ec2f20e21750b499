"""The lab's provider plugins: stand-ins for official ones that cannot be installed.

`python -m lab.plugins` serves them; `lab.plugins.base` is what they are written on.
"""

from __future__ import annotations

import importlib
from typing import Final

from lab.plugins.base import Plugin

PLUGINS: Final = ("random", "tls", "command", "proxmoxve", "kubernetes")
"""Provider packages. Each is a module of the same name here with its `PLUGIN`."""


def load(name: str) -> Plugin:
    """Import one plugin."""
    plugin: Plugin = importlib.import_module(f"lab.plugins.{name}").PLUGIN
    return plugin
