"""MetalLB's check of its pools, which its played controller cannot answer for: the lab does, on an address of its own.

A configuration of ours stands beside the chart's, which is set aside, and goes with it. What is checked is what
MetalLB's `poolsFor` does of IPv4 pools: all pools together, at each write of one.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from lab.authority import Authority
from lab.controllers.addresses import Refused, check_pools
from lab.controllers.client import Cluster, View
from lab.controllers.config import Config
from lab.controllers.metallb import POOL
from lab.controllers.webhooks import ANSWERED, KINDS
from lab.plugins.kubernetes.api import ApiError, Object, Unreachable

NAME: Final = "lab-metallb"
CONFIGURATION: Final = KINDS[1]

Judge = Callable[[Object], str]
"""An admission request -> why it is refused; empty if it is not."""


class PoolsWebhook:
    """Answers the API server for MetalLB."""

    name = "lab-metallb-webhook"

    def __init__(self, config: Config) -> None:
        self._place = config.webhook
        self._home = config.state / "webhook"

    def run(self, cluster: Cluster, stop: threading.Event) -> None:
        authority = Authority(self._home)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue(self._home, self._place.address))
        with self._answering(context, lambda request: judge(cluster, request)):
            for view in cluster.follow(stop, CONFIGURATION):
                self._register(cluster, view, authority)

    @contextmanager
    def _answering(self, context: ssl.SSLContext, judge: Judge) -> Iterator[None]:
        server = _Server((str(self._place.address), self._place.port), _handler(judge))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name=self.name)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _register(self, cluster: Cluster, view: View, authority: Authority) -> None:
        for owner in view.all(CONFIGURATION):
            for hook in owner.get("webhooks") or []:
                if hook["name"] in ANSWERED and owner["metadata"]["name"] != NAME:
                    wanted = self._configuration(owner, hook, authority)
                    ours = view.get(CONFIGURATION, "", NAME)
                    if ours is not None and not _says(ours, wanted):
                        cluster.delete(CONFIGURATION, ours)
                    cluster.create(CONFIGURATION, wanted)

    def _configuration(self, owner: Object, hook: Object, authority: Authority) -> Object:
        kind, metadata = CONFIGURATION, owner["metadata"]
        # With the chart's configuration, the cluster's own garbage collector removes this one.
        reference = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        client = {
            "url": f"https://{self._place.address}:{self._place.port}/",
            "caBundle": base64.b64encode(authority.pem.encode()).decode(),
        }
        return {
            "metadata": {"name": NAME, "ownerReferences": [reference]},
            "webhooks": [
                {
                    **{key: hook[key] for key in ("name", "admissionReviewVersions", "rules", "sideEffects")},
                    "clientConfig": client,
                    "failurePolicy": "Fail",
                }
            ],
        }


def judge(cluster: Cluster, request: Object) -> str:
    """Why a pool may not be written as it is asked for; empty if it may."""
    pool = request["object"]
    try:
        path = cluster.api.served(*POOL).path(request["namespace"])
        pools = {item["metadata"]["name"]: item for item in cluster.api.get(path)["items"]}
        check_pools([*({**pools, pool["metadata"]["name"]: pool}).values()])
    except (Refused, ApiError, Unreachable) as refusal:
        return str(refusal)
    return ""


def _says(ours: Object, wanted: Object) -> bool:
    (hook,) = wanted["webhooks"]
    same = [each["clientConfig"] for each in ours["webhooks"]] == [hook["clientConfig"]]
    return same and ours["metadata"].get("ownerReferences") == wanted["metadata"]["ownerReferences"]


def _handler(judge: Judge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            problem = judge(request)
            response: dict[str, Any] = {"uid": request["uid"], "allowed": not problem}
            if problem:
                response["status"] = {"code": 403, "reason": "Forbidden", "message": problem}
            body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
