"""People sign in before they see an application: the product's NGINX between the controller's and a played outpost.

Both NGINX are real; the controller's is configured as the lab configures it for the policy. The outpost answers as
Authentik's does: by the host that it is told of, for the URL that it is told of, to whom has a session.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from components.socle.authentik.forward_auth import configuration
from lab.controllers import nginx
from lab.controllers.backends import Backend
from lab.controllers.external_auth import ExternalAuth
from lab.controllers.ingress_controller import IngressController
from lab.controllers.ingresses import Location, Server
from lab.controllers.process import Daemon, sandbox
from tests.unit.network.conftest import eventually, host

PORT = 8085
OUTPOST, ADAPTER, CONTROLLER, APPLICATION = (host(number) for number in (21, 22, 23, 24))
SESSION = {"Cookie": "authentik_proxy=1"}
PAGES = "/outpost.goauthentik.io"


class Outpost(BaseHTTPRequestHandler):
    """Authentik's outpost for the application at home.ef-fr.dev:8443."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.headers["X-Forwarded-Host"] != "home.ef-fr.dev:8443":
            self._answer(404)
        elif path == f"{PAGES}/auth/nginx":
            original = self.headers["X-Original-URL"]
            passes = original and (urlsplit(original).path.startswith(PAGES) or self.headers["Cookie"])
            # Of somebody in many groups.
            headers = {"X-authentik-jwt": "x" * 8000, "X-authentik-groups": "y" * 8000} if passes else {}
            self._answer(500 if not original else 200 if passes else 401, **headers)
        elif path == f"{PAGES}/start":
            self._answer(302, Location="https://auth.ef-fr.dev/authorize")
        else:
            self._answer(404)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Application(BaseHTTPRequestHandler):
    """An application that knows no users."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "15")
        self.end_headers()
        self.wfile.write(b"the application")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(address: str, handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
    server = ThreadingHTTPServer((address, PORT), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(folder: Path, text: str) -> Iterator[None]:
    folder.mkdir()
    for name in nginx.FOLDERS:
        (folder / name).mkdir()
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", "stderr"]
    options = ["--dev-bind", "/", "/", "--proc", "/proc"]
    daemon = Daemon("nginx", sandbox(os.getuid() or 101, options, command), folder / "log")
    try:
        yield
    finally:
        daemon.stop()


def controller() -> str:
    """Configuration of the controller's NGINX for two hosts behind the sign-in; the outpost knows one of them."""
    adapter = Backend("authentik", "adapter", "8080", (f"{ADAPTER}:{PORT}",))
    auth = ExternalAuth(adapter, "/auth", f"{PAGES}/sign-in", PAGES)
    location = Location("/", Backend("home", "app", "80", (f"{APPLICATION}:{PORT}",)), tls=False, websocket=False)
    servers = {
        name: Server(name, f"home/{name}", [location], [80], external_auth=auth)
        for name in ("home.ef-fr.dev", "unknown.ef-fr.dev")
    }
    found = IngressController("nginx-ingress", {}, CONTROLLER, {80: PORT})
    return nginx.render(found, cast(Any, SimpleNamespace(servers=servers, default_certificate="")))


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("forward-auth")
    text = configuration(8443, PORT, f"{OUTPOST}:{PORT}")
    adapter = text.replace(f"listen {PORT}", f"listen {ADAPTER}:{PORT}").replace("/tmp/", f"{folder}/adapter/temp/")
    with ExitStack() as stack:
        stack.enter_context(serving(OUTPOST, Outpost))
        stack.enter_context(serving(APPLICATION, Application))
        stack.enter_context(running(folder / "adapter", f"daemon off;\n{adapter}"))
        stack.enter_context(running(folder / "controller", controller()))
        eventually(lambda: ask("/")[0] == 401)
        yield


def ask(path: str, name: str = "home.ef-fr.dev", **headers: str) -> tuple[int, str]:
    """Status, and the redirection or the body."""
    connection = HTTPConnection(CONTROLLER, PORT, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": name, **headers})
        response = connection.getresponse()
        return response.status, response.headers.get("Location") or response.read().decode()
    finally:
        connection.close()


@pytest.mark.usefixtures("_running")
class TestSignIn:
    """What a person's browser meets."""

    def test_who_has_a_session_reaches_the_application(self) -> None:
        assert ask("/", **SESSION) == (200, "the application")

    def test_who_has_none_is_led_to_the_sign_in_and_back(self) -> None:
        status, page = ask("/dashboard?tab=1")
        assert status == 401
        start = f"{PAGES}/start?rd=https://home.ef-fr.dev:8443/dashboard"
        assert f'content="0; url={start}"' in page
        assert ask(start) == (302, "https://auth.ef-fr.dev/authorize")

    @pytest.mark.parametrize("path", [f"{PAGES}/start", "/public"])
    def test_nobody_passes_by_saying_what_they_asked_for(self, path: str) -> None:
        assert ask("/", **{"X-Original-URL": f"https://home.ef-fr.dev:8443{path}"})[0] == 401

    def test_nobody_passes_by_asking_for_the_check_itself(self) -> None:
        assert ask("/_external_auth/auth")[0] == 404
        assert ask("/auth")[0] == 401

    @pytest.mark.parametrize("path", ["/a'onload=alert(1)", '/a"><script>', "/a;b", "/a{b}"])
    def test_a_page_holds_nothing_that_it_was_not_meant_to(self, path: str) -> None:
        page = ask(path)[1]
        assert 'rd=https://home.ef-fr.dev:8443/a"' in page
        assert not any(sign in page for sign in ("onload", "script>", ";b", "{b"))

    def test_an_application_that_authentik_does_not_know_stays_closed(self) -> None:
        assert ask("/", "unknown.ef-fr.dev", **SESSION)[0] == 500
