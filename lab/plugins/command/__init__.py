"""Stand-in for the official command plugin 1.2.1: commands run here or over SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from lab.plugins.base import Call, Plugin, Props, Resource
from lab.plugins.command.local import LocalCommand, run
from lab.plugins.command.remote import RemoteCommand


class CommandPlugin(Plugin):
    name = "command"
    version = "1.2.1"
    resources: ClassVar[Mapping[str, Resource]] = {
        resource.token: resource for resource in (LocalCommand(), RemoteCommand())
    }
    functions: ClassVar[Mapping[str, Callable[[Props, Call], Props]]] = {"command:local:run": run}


PLUGIN = CommandPlugin()
