"""The ingress data plane: real nginx on a real API server, asked over real TLS."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from fakepve.certs import make_cert

from lab.controllers.config import Config
from lab.controllers.dataplane import DataPlane, notes
from lab.plugins.kubernetes.api import Object
from tests.processes import arguments
from tests.unit.network.conftest import NODE, Admin, controlled, eventually, host

HTTP, HTTPS = 8080, 8443
UPSTREAM = 8006
NAMESPACE = "nginx-ingress"


class Site:
    """The objects of a site with an ingress controller, and a client of its data plane."""

    def __init__(self, admin: Admin, folder: Path) -> None:
        self.admin = admin
        self._folder = folder
        self.made: list[Object] = []
        self.authorities: dict[str, str] = {}

    def create(self, api_version: str, kind: str, name: str, **fields: Any) -> Object:
        item = self.admin.create(api_version, kind, NAMESPACE, name, **fields)
        self.made.append(item)
        return item

    def controller(self, *arguments: str) -> Object:
        """The controller, ready behind its Service."""
        selector = {"app.kubernetes.io/name": "nginx-ingress"}
        ports = [{"name": "http", "containerPort": 80}, {"name": "https", "containerPort": 443}]
        container = {
            "name": "nginx-ingress",
            "image": "registry.example/nginx/nginx-ingress:5.5.4",
            "args": ["-ingress-class=nginx", "-report-ingress-status", "-external-service=nginx-ingress", *arguments],
            "ports": ports,
        }
        template = {"metadata": {"labels": selector}, "spec": {"nodeName": NODE, "containers": [container]}}
        workload = self.create(
            "apps/v1", "Deployment", "nginx-ingress", spec={"selector": {"matchLabels": selector}, "template": template}
        )
        service = self.service(
            "nginx-ingress", ("http", HTTP, "http"), ("https", HTTPS, "https"), type="LoadBalancer", selector=selector
        )
        self.admin.status(service, {"loadBalancer": {"ingress": [{"ip": host(201)}]}})
        self.create(
            "networking.k8s.io/v1", "IngressClass", "nginx", spec={"controller": "nginx.org/ingress-controller"}
        )
        return workload

    def service(self, name: str, *ports: tuple[str, int, int | str], **spec: Any) -> Object:
        listed = [{"name": port, "port": number, "targetPort": target} for port, number, target in ports]
        return self.create("v1", "Service", name, spec={"ports": listed, **spec})

    def endpoints(self, service: str, address: str, port: int, **endpoint: Any) -> None:
        self.create(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            service,
            metadata={"labels": {"kubernetes.io/service-name": service}},
            addressType="IPv4",
            endpoints=[{"addresses": [address], **endpoint}],
            ports=[{"name": "http", "port": port}],
        )

    def played(self, name: str) -> None:
        """An application of this cluster."""
        self.service(name, ("http", 3000, 3000))
        self.endpoints(name, "10.1.2.3", 3000, targetRef={"kind": "Pod", "name": f"{name}-0", "namespace": NAMESPACE})

    def external(self, name: str, port: int = UPSTREAM) -> None:
        """A service beside the cluster."""
        self.service(name, ("http", port, port))
        self.endpoints(name, "192.0.2.1", port)

    def ingress(
        self, name: str, service: str, *, secret: str | None = "", path: str = "/", **annotations: str
    ) -> Object:
        """An Ingress for `<name>.ef-fr.dev`; without TLS if `secret` is None."""
        address = f"{name}.ef-fr.dev"
        backend = {"service": {"name": service, "port": {"name": "http"}}}
        tls = [] if secret is None else [{"hosts": [address], **({"secretName": secret} if secret else {})}]
        rule = {"host": address, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
        return self.create(
            "networking.k8s.io/v1",
            "Ingress",
            name,
            metadata={"annotations": {f"nginx.org/{key.replace('_', '-')}": text for key, text in annotations.items()}},
            spec={"ingressClassName": "nginx", "tls": tls, "rules": [rule]},
        )

    def certificate(self, name: str, *hosts: str) -> Object:
        """A TLS Secret."""
        folder = self._folder / name
        folder.mkdir()
        chain, key, _ = make_cert(str(folder), name=name, hosts=hosts)
        self.authorities[name] = Path(chain).read_text()
        return self.secret(
            name, "kubernetes.io/tls", {"tls.crt": Path(chain).read_text(), "tls.key": Path(key).read_text()}
        )

    def secret(self, name: str, type_: str, content: dict[str, str]) -> Object:
        data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
        return self.create("v1", "Secret", name, type=type_, data=data)

    def get(self, name: str, *, trust: str = "wildcard", path: str = "/", cookie: str = "") -> tuple[int, str]:
        """Status and body of an HTTPS request for a host, its certificate verified."""
        context = ssl.create_default_context(cadata=self.authorities[trust])
        connection = HTTPSConnection(host(201), HTTPS, timeout=5)
        connection.sock = context.wrap_socket(socket.create_connection((host(201), HTTPS), 5), server_hostname=name)
        return self._answer(connection, name, path, {"Cookie": cookie})

    def page(self, name: str) -> str:
        """Body of the host's page, once it is served."""

        def body() -> str:
            status, text = self.get(name)
            return text if status == 200 else ""

        return eventually(body)

    def get_plain(self, name: str) -> tuple[int, str]:
        """The same without TLS; a redirect's target instead of the body."""
        return self._answer(HTTPConnection(host(201), HTTP, timeout=5), name, "/x?y=1", {})

    @staticmethod
    def _answer(connection: HTTPConnection, name: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        try:
            connection.request("GET", path, headers={"Host": name, "Upgrade": "websocket", **headers})
            response: HTTPResponse = connection.getresponse()
            return response.status, response.headers.get("Location") or response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def site(admin: Admin, namespace: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(admin, tmp_path)
    yield site
    for item in reversed(site.made):
        admin.delete(item)


@pytest.fixture
def paris(site: Site, admin: Admin, config: Config) -> Iterator[Site]:
    """A site whose controller has a wildcard certificate."""
    site.certificate("wildcard", "*.ef-fr.dev", "ef-fr.dev")
    site.controller(f"-default-server-tls-secret={NAMESPACE}/wildcard", f"-wildcard-tls-secret={NAMESPACE}/wildcard")
    with controlled(DataPlane(config), admin):
        yield site


class _Echo(BaseHTTPRequestHandler):
    """Says what arrived."""

    def __init__(self, scheme: str, *args: Any) -> None:
        self._scheme = scheme
        super().__init__(*args)

    def do_GET(self) -> None:
        names = ("Host", "X-Forwarded-Proto", "X-Real-IP", "Upgrade", "Connection")
        body = json.dumps({"scheme": self._scheme, **{name: self.headers.get(name) for name in names}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    """An external service with TLS, known as `proxmox.internal`. Yields its authority's certificate."""
    chain, key, _ = make_cert(str(tmp_path), name="upstream", hosts=("proxmox.internal",))
    server = ThreadingHTTPServer((host(9), UPSTREAM), partial(_Echo, "https"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Path(chain).read_text()
    server.shutdown()
    thread.join()
    server.server_close()


def test_played_service_says_so_over_https(paris: Site) -> None:
    paris.played("homepage")
    ingress = paris.ingress("home", "homepage")
    assert f"{NAMESPACE}/homepage, port http, is played by kwok" in paris.page("home.ef-fr.dev")
    assert eventually(lambda: paris.admin.read(ingress)["status"]["loadBalancer"]) == {"ingress": [{"ip": host(201)}]}


def test_http_goes_to_the_port_that_the_real_controller_names(paris: Site) -> None:
    paris.played("homepage")
    paris.ingress("home", "homepage")
    paris.ingress("open", "homepage", secret=None)
    paris.ingress("both", "homepage", ssl_redirect="false")
    assert eventually(lambda: paris.get_plain("both.ef-fr.dev")[0] == 200)
    assert eventually(lambda: paris.get_plain("home.ef-fr.dev") == (301, "https://home.ef-fr.dev:443/x?y=1"))
    assert eventually(lambda: paris.get_plain("open.ef-fr.dev")[0] == 200)


def test_an_ingress_may_name_its_ports(paris: Site) -> None:
    paris.played("homepage")
    service = next(item for item in paris.made if item["kind"] == "Service")
    ports = [{"name": "http", "port": HTTP, "targetPort": HTTP}, {"name": "https", "port": HTTPS, "targetPort": HTTPS}]
    paris.admin.patch(service, {"spec": {"ports": ports}})
    paris.ingress("home", "homepage", listen_ports=str(HTTP), listen_ports_ssl=str(HTTPS))
    assert eventually(lambda: paris.get("home.ef-fr.dev")[0] == 200)
    assert eventually(lambda: paris.get_plain("home.ef-fr.dev") == (301, f"https://home.ef-fr.dev:{HTTPS}/x?y=1"))


def test_plain_requests_go_to_the_first_port_though_the_service_leads_to_another(paris: Site) -> None:
    paris.played("homepage")
    paris.ingress("home", "homepage", listen_ports_ssl=f"{HTTPS},443")
    assert eventually(lambda: paris.get("home.ef-fr.dev")[0] == 200)
    assert eventually(lambda: paris.get_plain("home.ef-fr.dev") == (301, f"https://home.ef-fr.dev:{HTTPS}/x?y=1"))


def test_unknown_host_and_path_get_404_with_a_valid_certificate(paris: Site) -> None:
    paris.played("homepage")
    paris.ingress("home", "homepage", path="/app")
    assert eventually(lambda: paris.get("home.ef-fr.dev", path="/app")[0] == 200)
    assert paris.get("home.ef-fr.dev")[0] == 404
    assert paris.get("nobody.ef-fr.dev")[0] == 404
    assert paris.get_plain("nobody.ef-fr.dev")[0] == 404


def test_host_with_a_certificate_of_its_own_and_its_renewal(paris: Site) -> None:
    secret = paris.certificate("own", "home.ef-fr.dev")
    paris.played("homepage")
    paris.ingress("home", "homepage", secret="own")
    assert eventually(lambda: paris.get("home.ef-fr.dev", trust="own")[0] == 200)
    renewed = paris.certificate("renewed", "home.ef-fr.dev")
    paris.admin.patch(secret, {"data": renewed["data"]})
    assert eventually(lambda: paris.get("home.ef-fr.dev", trust="renewed")[0] == 200)


@pytest.mark.parametrize("secret", ["missing", "opaque", "mismatch"])
def test_unusable_secret_refuses_the_handshake_and_nothing_else(paris: Site, config: Config, secret: str) -> None:
    paris.secret("opaque", "Opaque", {"tls.crt": "x", "tls.key": "y"})
    one, other = paris.certificate("one", "home.ef-fr.dev"), paris.certificate("other", "home.ef-fr.dev")
    paris.create(
        "v1", "Secret", "mismatch", type="kubernetes.io/tls", data={**one["data"], "tls.key": other["data"]["tls.key"]}
    )
    paris.played("homepage")
    paris.ingress("home", "homepage", secret=secret)
    paris.ingress("good", "homepage")
    refused = f"Ingress {NAMESPACE}/home: home.ef-fr.dev refuses TLS"
    assert eventually(lambda: any(refused in note and secret in note for note in notes(config.state)))
    assert eventually(lambda: paris.get("good.ef-fr.dev")[0] == 200)
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        paris.get("home.ef-fr.dev")


def test_external_service_over_https_with_websockets(paris: Site, upstream: str) -> None:
    paris.external("proxmox")
    paris.ingress("proxmox", "proxmox", ssl_services="proxmox", websocket_services="proxmox")
    assert json.loads(paris.page("proxmox.ef-fr.dev")) == {
        "scheme": "https",
        "Host": "proxmox.ef-fr.dev",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "upgrade",
    }


def test_external_service_spoken_to_in_the_wrong_scheme(paris: Site, upstream: str) -> None:
    paris.external("proxmox")
    paris.ingress("proxmox", "proxmox")
    assert eventually(lambda: paris.get("proxmox.ef-fr.dev")[0] in (400, 502))


@pytest.mark.parametrize(("name", "status"), [("proxmox.internal", 200), ("someone.else", 502)])
def test_egress_policy_verifies_the_upstream(paris: Site, upstream: str, name: str, status: int) -> None:
    paris.secret("proxmox-ca", "nginx.org/ca", {"ca.crt": upstream})
    spec = {"trustedCertSecret": "proxmox-ca", "verifyServer": True, "serverName": True, "sslName": name}
    paris.create("k8s.nginx.org/v1", "Policy", "proxmox", spec={"egressMTLS": spec})
    paris.external("proxmox")
    paris.ingress("proxmox", "proxmox", ssl_services="proxmox", policies="proxmox")
    assert eventually(lambda: paris.get("proxmox.ef-fr.dev")[0] == status)


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        (None, 500),
        ({"egressMTLS": {"trustedCertSecret": "missing", "verifyServer": True}}, 500),
        ({"externalAuth": {"authServiceName": "authentik", "authURI": "/", "sslEnabled": True}}, 501),
        ({"externalAuth": {"authServiceName": "missing", "authURI": "/"}}, 500),
        ({"accessControl": {"allow": ["192.0.2.0/24"]}}, 403),
        ({"accessControl": {"allow": ["127.0.0.0/8"]}}, 200),
    ],
)
def test_policy_is_enforced_or_the_host_refused(paris: Site, upstream: str, spec: Object | None, status: int) -> None:
    if spec:
        paris.create("k8s.nginx.org/v1", "Policy", "policy", spec=spec)
    paris.external("proxmox")
    paris.ingress("proxmox", "proxmox", ssl_services="proxmox", policies="policy")
    assert eventually(lambda: paris.get("proxmox.ef-fr.dev")[0] == status)


def test_a_played_service_knows_nobody(paris: Site, config: Config) -> None:
    paris.played("outpost")
    paris.played("homepage")
    spec = {"authServiceName": f"{NAMESPACE}/outpost", "authServicePorts": [3000], "authURI": "/auth"}
    sign_in = {"authSigninURI": "/sso/sign-in", "authSigninRedirectBasePath": "/sso"}
    paris.create("k8s.nginx.org/v1", "Policy", "sign-in", spec={"externalAuth": {**spec, **sign_in}})
    paris.ingress("home", "homepage", policies="sign-in")
    assert eventually(lambda: any("home.ef-fr.dev answers 401" in note for note in notes(config.state)))
    status, page = paris.get("home.ef-fr.dev")
    assert (status, f"{NAMESPACE}/outpost, port 3000, is played by kwok" in page) == (401, True)
    assert paris.get("home.ef-fr.dev", path="/sso/start")[0] == 200
    assert paris.get("home.ef-fr.dev", cookie="lab_session=other")[0] == 401


def test_one_cookie_comes_past_a_played_sign_in(paris: Site, config: Config) -> None:
    paris.played("outpost")
    paris.played("homepage")
    spec = {"authServiceName": f"{NAMESPACE}/outpost", "authServicePorts": [3000], "authURI": "/auth"}
    paris.create("k8s.nginx.org/v1", "Policy", "sign-in", spec={"externalAuth": spec})
    paris.ingress("home", "homepage", policies="sign-in")
    paris.ingress("wrong", "missing", policies="sign-in")
    # Said once nothing else is served any more.
    assert eventually(lambda: any("wrong.ef-fr.dev answers 401" in note for note in notes(config.state)))
    assert eventually(lambda: paris.get("home.ef-fr.dev", cookie="lab_session=known")[0] == 200)
    page = paris.get("home.ef-fr.dev", cookie="lab_session=known")[1]
    assert f"{NAMESPACE}/homepage, port http, is played by kwok" in page
    assert paris.get("wrong.ef-fr.dev", cookie="lab_session=known")[0] == 502
    assert paris.get("wrong.ef-fr.dev")[0] == 401


def test_service_with_nothing_behind_it(paris: Site) -> None:
    paris.service("empty", ("http", 80, 80))
    paris.ingress("empty", "empty")
    paris.ingress("nowhere", "missing")
    assert eventually(lambda: paris.get("nowhere.ef-fr.dev")[0] == 502)
    assert eventually(lambda: paris.get("empty.ef-fr.dev")[0] == 502)


def test_host_belongs_to_the_oldest_ingress_and_what_is_not_modelled_is_named(paris: Site, config: Config) -> None:
    paris.played("homepage")
    home = paris.ingress("home", "homepage", hsts="true")
    copy = paris.ingress("copy", "homepage")
    paris.admin.patch(copy, {"spec": {"rules": home["spec"]["rules"]}})
    # Of the same second, in most runs: then the uid decides.
    oldest, other = sorted(
        (home, copy), key=lambda item: [item["metadata"][key] for key in ("creationTimestamp", "uid")]
    )
    file, (owner, loser) = config.state / "dataplane.json", (item["metadata"]["name"] for item in (oldest, other))
    expected = {
        f"Ingress {NAMESPACE}/home: annotation nginx.org/hsts is not modelled",
        f"Ingress {NAMESPACE}/{loser}: host home.ef-fr.dev belongs to Ingress {NAMESPACE}/{owner}",
    }
    assert eventually(lambda: expected <= set(json.loads(file.read_text())["notes"]))


def test_controller_waits_for_its_certificate_and_ends_with_its_pods(site: Site, admin: Admin, config: Config) -> None:
    with controlled(DataPlane(config), admin):
        workload = site.controller(f"-default-server-tls-secret={NAMESPACE}/wildcard")
        note = f"the controller does not start: secret {NAMESPACE}/wildcard does not exist"
        assert eventually(lambda: note in (config.state / "dataplane.json").read_text())
        site.certificate("wildcard", "*.ef-fr.dev")
        assert eventually(lambda: site.get("nobody.ef-fr.dev")[0] == 404)
        admin.patch(workload, {"spec": {"replicas": 0}})
        assert eventually(lambda: not _listens())
    assert not (config.state / "dataplane").exists()


def test_nginx_that_dies_comes_back(paris: Site) -> None:
    assert eventually(lambda: paris.get("nobody.ef-fr.dev")[0] == 404)
    masters = [each for each in psutil.Process().children(recursive=True) if "nginx: master" in arguments(each)]
    for master in masters:
        master.kill()
    assert len(masters) == 1
    assert eventually(lambda: paris.get("nobody.ef-fr.dev")[0] == 404)


def _listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host(201), HTTPS)) == 0
