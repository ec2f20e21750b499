"""What one `kubernetes.Provider` resource configures."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from lab.plugins.base import UNKNOWN, Change, Diff, Failure, Props, ResourceError, compare
from lab.plugins.kubernetes.api import Api, ApiError, Unreachable
from lab.plugins.kubernetes.kubeconfig import Kubeconfig, KubeconfigError

FLAGS: Final = frozenset(
    {
        "deleteUnreachable",
        "enableConfigMapMutable",
        "enablePatchForce",
        "enableSecretMutable",
        "enableServerSideApply",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "upsertExistingObjects",
    }
)
_TEXTS: Final = frozenset({"cluster", "clusterIdentifier", "context", "kubeconfig", "namespace"})
_CONNECTION: Final = ("kubeconfig", "context", "cluster")


class Provider:
    """One provider instance: its options, and its connection once one is needed.

    In a preview the kubeconfig may be unknown, or may lead to a cluster that is not there (any
    more): `try_connect` says so, and the preview goes on without a server.
    """

    def __init__(self, args: Props) -> None:
        self._args = args
        self._lock = threading.Lock()
        self._api: Api | None = None
        self._namespace = ""
        self._failed = False

    def flag(self, name: str) -> bool:
        """A boolean option; all are off by default."""
        return self._args.get(name) is True

    @property
    def kubeconfig(self) -> str:
        """Text or path, empty when it is unknown yet."""
        return str(self._args.get("kubeconfig") or "")

    @property
    def namespace(self) -> str:
        """Namespace of objects that name none: the option's, else the kubeconfig's."""
        return self._namespace

    def connect(self) -> Api:
        """The API server, asked for its version once.

        Raises:
            ResourceError: when there is no server to talk to, with the reason.
        """
        with self._lock:
            if self._api is None:
                self._api = self._connected()
            return self._api

    def try_connect(self) -> Api | None:
        """The API server, or None when it cannot be reached; one failure answers later calls too."""
        if self._failed and self._api is None:
            return None
        try:
            return self.connect()
        except ResourceError:
            self._failed = True
            return None

    def _connected(self) -> Api:
        if not self.kubeconfig:
            raise _unreachable("the provider's kubeconfig is not known")
        try:
            kubeconfig = self.resolved()
            api = Api(kubeconfig)
            api.get("/version")
        except (KubeconfigError, Unreachable, ApiError) as error:
            raise _unreachable(str(error)) from None
        self._namespace = self._text("namespace") or kubeconfig.namespace
        return api

    def resolved(self) -> Kubeconfig:
        """The context that the options choose. Raises KubeconfigError when there is none."""
        return Kubeconfig.load(self.kubeconfig, self._text("context"), self._text("cluster"))

    def _text(self, name: str) -> str:
        return str(self._args.get(name) or "")


def _unreachable(reason: str) -> ResourceError:
    return ResourceError(f"configured Kubernetes cluster is unreachable: {reason}")


def checked(inputs: Props) -> list[Failure]:
    """Refuse options that the lab does not model."""
    known = FLAGS | _TEXTS
    failures = [
        Failure(name, f"not an option that the lab's kubernetes plugin models: it takes {', '.join(sorted(known))}")
        for name in sorted(inputs.keys() - known)
    ]
    if inputs.get("enableServerSideApply") is False:
        failures.append(Failure("enableServerSideApply", "client-side apply is not modelled by the lab: leave it on"))
    return failures


def difference(old: Props, new: Props) -> Diff:
    """When a changed configuration replaces the provider, and with it all of its resources.

    A changed `clusterIdentifier` always does, an unchanged one never. Without one, it is a changed
    or unknown cluster of the kubeconfig that does.
    """
    changes = compare(old, new)
    if old.get("clusterIdentifier") and new.get("clusterIdentifier"):
        replacing = {"clusterIdentifier"}
    else:
        replacing = set(_CONNECTION) if _other_cluster(old, new) else set()
    return Diff({path: Change(change.kind, path in replacing) for path, change in changes.items()})


def _other_cluster(old: Props, new: Props) -> bool:
    if any(new.get(name) is UNKNOWN for name in _CONNECTION):
        return True
    clusters = [_cluster(old), _cluster(new)]
    return None not in clusters and clusters[0] != clusters[1]


def _cluster(args: Props) -> Mapping[str, Any] | None:
    try:
        kubeconfig = Kubeconfig.load(*(str(args.get(name) or "") for name in _CONNECTION))
    except KubeconfigError:
        return None
    return kubeconfig.cluster
