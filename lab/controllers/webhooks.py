"""Admission webhooks whose service is played: no process can answer, so they are set aside.

What they would have checked is not checked: `make status` lists them from `webhooks.json`. For one the lab answers.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Final

from lab.controllers.client import Cluster, Kind, View
from lab.controllers.config import Config
from lab.files import write_private
from lab.plugins.kubernetes.api import Object

KINDS: Final = tuple(
    Kind("admissionregistration.k8s.io/v1", name)
    for name in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)

ANSWERED: Final = frozenset({"ipaddresspoolvalidationwebhook.metallb.io"})
"""Those that another configuration of the lab's has called after all (`pools_webhook`)."""

_NEVER: Final = {"name": "played.lab", "expression": "false"}
"""The call is not even tried: the Service's address leads off this machine, perhaps to a slow timeout."""

_log = logging.getLogger(__name__)


def ignored(state: Path) -> list[str]:
    """The webhooks that the controllers with this state folder set aside: `<configuration>/<webhook>`."""
    try:
        names: list[str] = json.loads((state / "webhooks.json").read_text())
    except FileNotFoundError:
        return []
    return names


class Webhooks:
    """Sets `failurePolicy: Ignore`, and a condition that never holds, on every webhook that is called by a Service."""

    name = "lab-webhooks"

    def __init__(self, config: Config) -> None:
        self._state = config.state

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        for view in cluster.follow(stop, *KINDS):
            self._reconcile(cluster, view)

    def _reconcile(self, cluster: Cluster, view: View) -> None:
        names = []
        for kind in KINDS:
            for configuration in view.all(kind):
                name = configuration["metadata"]["name"]
                names += [
                    f"{name}/{hook['name']}" for _, hook in _played(configuration) if hook["name"] not in ANSWERED
                ]
                self._ignore(cluster, kind, configuration)
        if names != ignored(self._state):
            write_private(self._state / "webhooks.json", json.dumps(names))

    def _ignore(self, cluster: Cluster, kind: Kind, configuration: Object) -> None:
        operations = []
        for index, hook in _played(configuration):
            own = [condition for condition in hook.get("matchConditions", []) if condition != _NEVER]
            aside = {"failurePolicy": "Ignore", "matchConditions": [*own, _NEVER]}
            if hook != {**hook, **aside}:
                # The name is tested: another writer may have changed the list since it was read.
                path = f"/webhooks/{index}"
                operations.append({"op": "test", "path": f"{path}/name", "value": hook["name"]})
                operations += [{"op": "add", "path": f"{path}/{name}", "value": aside[name]} for name in aside]
        if operations:
            cluster.patch_items(kind, configuration, operations)
            _log.info("the webhooks of %s are played: they are not called", configuration["metadata"]["name"])


def _played(configuration: Object) -> list[tuple[int, Object]]:
    return [
        (index, hook)
        for index, hook in enumerate(configuration.get("webhooks") or [])
        if hook["clientConfig"].get("service")
    ]
