"""Runs a site's controllers, each in a thread of its own, for as long as there is a cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from lab.controllers.client import Cluster
from lab.controllers.config import Config
from lab.plugins.kubernetes.api import Api, ApiError, NoSuchKind, Unreachable
from lab.plugins.kubernetes.kubeconfig import Kubeconfig, KubeconfigError

_POLL_SECONDS: Final = 0.5
"""Between two looks at the kubeconfig file."""
_RETRY_SECONDS: Final = 1.0
"""Before a controller that failed starts again."""

_log = logging.getLogger(__name__)


class Controller(Protocol):
    """One part of the cluster's behaviour."""

    @property
    def name(self) -> str:
        """In the log, in events, and as field manager."""

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        """Work until `stop` is set, then end what was started and return.

        It may raise: that is logged, and the controller runs again a moment later.
        """


def serve(config: Config, controllers: Sequence[Controller], stop: threading.Event) -> None:
    """Run the controllers on whatever cluster the kubeconfig file names, until `stop` is set."""
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    while not stop.is_set():
        text = _text(config.kubeconfig)
        api = _connect(text)
        if api is None:
            stop.wait(_POLL_SECONDS)
            continue
        _log.info("the cluster of %s answers at %s", config.site, api.server)
        over = threading.Event()
        threads = [threading.Thread(target=_keep, args=(each, api, over), name=each.name) for each in controllers]
        for thread in threads:
            thread.start()
        while not stop.wait(_POLL_SECONDS) and not _replaced(config.kubeconfig, text, api):
            pass
        over.set()
        for thread in threads:
            thread.join()
        _log.info("the controllers of %s rest", config.site)


def _keep(controller: Controller, api: Api, over: threading.Event) -> None:
    cluster = Cluster(api, controller.name)
    while not over.is_set():
        try:
            controller.run(cluster, over)
        except (ApiError, NoSuchKind, Unreachable) as error:
            _log.warning("%s: %s; it starts again", controller.name, error)
        except Exception:  # noqa: BLE001 - one controller must not end the others
            _log.exception("%s failed; it starts again", controller.name)
        over.wait(_RETRY_SECONDS)


def _replaced(kubeconfig: Path, text: str, api: Api) -> bool:
    """True if there is another cluster now, or none.

    A missing file alone says nothing: a program that takes a site down may remove the file first, and
    needs the controllers until the last object is gone.
    """
    current = _text(kubeconfig)
    if current:
        return current != text and _connect(current) is not None
    return not _answers(api)


def _connect(text: str) -> Api | None:
    """The API server that a kubeconfig names, if it answers."""
    try:
        api = Api(Kubeconfig.load(text)) if text else None
    except KubeconfigError:
        return None  # half written: it is read again
    return api if api and _answers(api) else None


def _answers(api: Api) -> bool:
    try:
        api.get("/version")
    except (ApiError, Unreachable):
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
