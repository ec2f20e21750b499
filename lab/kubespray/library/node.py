#!/usr/bin/python3
"""Drain, uncordon or delete a node through the API server, as `kubectl` does.

Drained: no new pods, and every pod evicted but those of DaemonSets, with respect for disruption budgets.
A node that is not there has nothing to drain and is deleted already.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PAUSE = 0.5
"""Seconds between two looks at the pods that are to go."""
NOT_FOUND, TOO_MANY_REQUESTS = 404, 429


class DrainError(Exception):
    """Pods would not go in time."""


class Api:
    """The API server, by a client certificate."""

    def __init__(self, server: str, ca: str, certificate: str, key: str) -> None:
        self._server = server
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        # No proxy of the machine's environment.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer. 404 and 429 are answers; other failures are raised."""
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._server + path, data, {"Content-Type": kind}, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (NOT_FOUND, TOO_MANY_REQUESTS):
                raise
            return error.code, json.load(error)


class Node:
    """One node of the cluster."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._path = f"/api/v1/nodes/{name}"
        self._pods = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"

    def get(self) -> dict[str, Any] | None:
        """The object, or None."""
        status, node = self._api.call("GET", self._path)
        return None if status == NOT_FOUND else dict(node)

    def cordon(self, unschedulable: bool) -> None:
        self._api.call("PATCH", self._path, {"spec": {"unschedulable": unschedulable or None}})

    def delete(self) -> bool:
        """Delete it; False if it was gone already."""
        return self._api.call("DELETE", self._path)[0] != NOT_FOUND

    def drain(self, timeout: int) -> int:
        """Evict the pods and wait until they are gone; their number.

        Raises:
            DrainError: some are still there after `timeout` seconds.
        """
        deadline, evicted = time.monotonic() + timeout, set[str]()
        while pods := self._evictable():
            reasons = [reason for pod in pods if (reason := self._evict(pod))]
            evicted.update(pod["metadata"]["uid"] for pod in pods)
            if time.monotonic() > deadline:
                names = [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods]
                raise DrainError(f"pods did not go in {timeout} s: {', '.join(names)}. {' '.join(reasons)}".strip())
            time.sleep(PAUSE)
        return len(evicted)

    def _evictable(self) -> list[dict[str, Any]]:
        _, answer = self._api.call("GET", self._pods)
        return [pod for pod in answer["items"] if not _of_daemon_set(pod)]

    def _evict(self, pod: dict[str, Any]) -> str:
        """Ask for an eviction; why it is refused for now, if it is."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        kind = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        status, answer = self._api.call("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", kind)
        return str(answer["message"]) if status == TOO_MANY_REQUESTS else ""


def _of_daemon_set(pod: dict[str, Any]) -> bool:
    return any(owner["kind"] == "DaemonSet" for owner in pod["metadata"].get("ownerReferences", ()))


def _ready(node: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def main() -> None:
    access = {
        name: {"type": "str", "required": True, "no_log": False} for name in ("server", "ca", "certificate", "key")
    }
    module = AnsibleModule(
        {
            "api": {"type": "dict", "options": access, "required": True},
            "name": {"type": "str", "required": True},
            "state": {"choices": ["drained", "schedulable", "absent"], "required": True},
            "timeout": {"type": "int", "default": 360},
            "even_if_cordoned": {"type": "bool", "default": False},
        }
    )
    wanted = module.params
    node = Node(Api(**wanted["api"]), wanted["name"])
    found = node.get()
    if found is None:
        module.exit_json(changed=False, cordoned=False)
    if wanted["state"] == "absent":
        module.exit_json(changed=node.delete())
    cordoned = bool(found["spec"].get("unschedulable"))
    if wanted["state"] == "schedulable":
        node.cordon(False)
        module.exit_json(changed=cordoned)
    if not (wanted["even_if_cordoned"] or (_ready(found) and not cordoned)):
        module.exit_json(changed=False, cordoned=False)
    node.cordon(True)
    try:
        module.exit_json(changed=True, cordoned=True, evicted=node.drain(wanted["timeout"]))
    except DrainError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
