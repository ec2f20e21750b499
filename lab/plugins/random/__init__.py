"""Stand-in for the official random plugin 4.21.1: passwords, strings, ids and UUIDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lab.plugins.base import Plugin, Resource
from lab.plugins.random.identifiers import RandomId, RandomUuid
from lab.plugins.random.text import RandomPassword, RandomString


class RandomPlugin(Plugin):
    name = "random"
    version = "4.21.1"
    resources: ClassVar[Mapping[str, Resource]] = {
        resource.token: resource for resource in (RandomPassword(), RandomString(), RandomId(), RandomUuid())
    }


PLUGIN = RandomPlugin()
