"""The cluster as a controller sees it: collections that stay current, and the few writes that a controller may do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from lab.plugins.kubernetes.api import JSON_PATCH, Api, ApiError, NoSuchKind, Object, Served, Unreachable

MERGE_PATCH: Final = "application/merge-patch+json"

_RETRY_SECONDS: Final = 0.5
"""Before a collection is listed again that could not be, or whose kind is not served (yet)."""
_PAUSE_SECONDS: Final = 0.1
"""Between two watch requests: without a server there is one try after the other."""
_WATCH_SECONDS: Final = 5
"""A watch request is ended by the server that often: a thread that is over does not stay longer."""


class Kind(NamedTuple):
    """A kind of object: `Kind("apps/v1", "StatefulSet")`."""

    api_version: str
    name: str


class View:
    """What was in the cluster at one moment, for the kinds that were asked for. Not to be changed."""

    def __init__(self, items: Mapping[Kind, Mapping[str, Object]]) -> None:
        self._items = items

    def all(self, kind: Kind, namespace: str = "") -> list[Object]:
        """The objects of a kind, in the order of their names; none while the kind is not served."""
        items = self._items[kind]
        return [items[key] for key in sorted(items) if not namespace or key.startswith(f"{namespace}/")]

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None. `namespace` is empty for kinds that live outside of namespaces."""
        return self._items[kind].get(f"{namespace}/{name}")


class Cluster:
    """One cluster, for one controller. Every method but `follow` raises ApiError or Unreachable.

    Args:
        api: The API server.
        component: Name of the controller: field manager of its writes, source of its events.
    """

    def __init__(self, api: Api, component: str) -> None:
        self.api = api
        self._component = component

    def follow(self, stop: threading.Event, *kinds: Kind) -> Iterator[View]:
        """Follow collections of all namespaces, for a level-triggered controller.

        Yields:
            All objects of the kinds, first when all have been listed, then after each change; changes
            that come while the caller works are taken together. While the API server is away, nothing
            changes. Ends when `stop` is set.
        """
        mirrors = [_Mirror(self.api, kind, stop) for kind in kinds]
        changed = threading.Event()
        for mirror in mirrors:
            mirror.start(changed)
        try:
            while not stop.is_set():
                if not changed.wait(_RETRY_SECONDS):
                    continue
                changed.clear()
                snapshots = {mirror.kind: mirror.snapshot() for mirror in mirrors}
                if None not in snapshots.values():
                    yield View({kind: items for kind, items in snapshots.items() if items is not None})
        finally:
            for mirror in mirrors:
                mirror.over.set()

    def create(self, kind: Kind, item: Object) -> bool:
        """Create an object; False if one of that name is there already."""
        served = self.api.served(*kind)
        body = {"apiVersion": kind.api_version, "kind": kind.name, **item}
        try:
            self.api.post(served.path(_namespace(item)), body, fieldManager=self._component)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    def patch(self, kind: Kind, item: Object, changes: Mapping[str, Any]) -> Object:
        """Change fields that the program does not declare, by a JSON merge patch (RFC 7386)."""
        return self._patch(self._path(kind, item), changes, MERGE_PATCH)

    def patch_status(self, kind: Kind, item: Object, status: Mapping[str, Any]) -> Object:
        """Change an object's status, by a JSON merge patch (RFC 7386)."""
        return self._patch(f"{self._path(kind, item)}/status", {"status": status}, MERGE_PATCH)

    def patch_items(self, kind: Kind, item: Object, operations: Sequence[Mapping[str, Any]]) -> Object:
        """Change members of lists, by a JSON patch (RFC 6902)."""
        return self._patch(self._path(kind, item), operations, JSON_PATCH)

    def delete(self, kind: Kind, item: Object) -> bool:
        """Delete exactly this object; False if it is gone already."""
        try:
            self.api.delete(self._path(kind, item), {"preconditions": {"uid": item["metadata"]["uid"]}})
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def event(self, kind: Kind, item: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell a person about an object, as `kubectl describe` shows it."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = item["metadata"]
        namespace = metadata.get("namespace", "default")
        self.create(
            Kind("v1", "Event"),
            {
                "metadata": {"generateName": f"{metadata['name']}.", "namespace": namespace},
                "involvedObject": {
                    "apiVersion": kind.api_version,
                    "kind": kind.name,
                    "namespace": namespace,
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": message,
                "source": {"component": self._component},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )

    def _path(self, kind: Kind, item: Object) -> str:
        return self.api.served(*kind).path(_namespace(item), item["metadata"]["name"])

    def _patch(self, path: str, body: Any, content_type: str) -> Object:
        return self.api.patch(path, body, content_type, fieldManager=self._component)


class _Mirror:
    """A copy of one collection that follows the original, in a thread of its own."""

    def __init__(self, api: Api, kind: Kind, stop: threading.Event) -> None:
        self.kind = kind
        self.over = threading.Event()
        self._api = api
        self._stop = stop
        self._items: dict[str, Object] | None = None
        self._lock = threading.Lock()

    def start(self, changed: threading.Event) -> None:
        # A daemon: it may sit in a silent watch for a while after it is over.
        threading.Thread(target=self._run, args=(changed,), daemon=True, name=f"watch {self.kind.name}").start()

    def snapshot(self) -> dict[str, Object] | None:
        """Objects by `namespace/name`, or None as long as they have not been listed."""
        with self._lock:
            return None if self._items is None else dict(self._items)

    def _run(self, changed: threading.Event) -> None:
        while not self._over():
            try:
                self._follow(self._api.served(*self.kind), changed)
            except NoSuchKind:
                self._vanish(changed)
            except ApiError as error:
                if error.code == 404:
                    self._vanish(changed)
            except Unreachable:
                pass  # what was there last is the best that is known
            self._stop.wait(_RETRY_SECONDS)

    def _follow(self, served: Served, changed: threading.Event) -> None:
        everywhere = replace(served, namespaced=False)
        listing = self._api.get(everywhere.path())
        with self._lock:
            self._items = {_key(item): self._whole(item) for item in listing["items"]}
        changed.set()
        for event in self._api.watch(everywhere, "", "", listing["metadata"]["resourceVersion"], _WATCH_SECONDS):
            if self._over():
                return
            if event is None:
                self._stop.wait(_PAUSE_SECONDS)
                continue
            with self._lock:
                assert self._items is not None
                if event["type"] == "DELETED":
                    self._items.pop(_key(event["object"]), None)
                else:
                    self._items[_key(event["object"])] = event["object"]
            changed.set()

    def _vanish(self, changed: threading.Event) -> None:
        """The kind is not served."""
        with self._lock:
            same, self._items = self._items == {}, {}
        if not same:
            changed.set()

    def _whole(self, item: Object) -> Object:
        """A list leaves out what its items have in common."""
        return {"apiVersion": self.kind.api_version, "kind": self.kind.name, **item}

    def _over(self) -> bool:
        return self.over.is_set() or self._stop.is_set()


def _namespace(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def _key(item: Object) -> str:
    return f"{_namespace(item)}/{item['metadata']['name']}"
