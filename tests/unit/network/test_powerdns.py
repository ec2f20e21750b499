"""The PowerDNS controller: real servers from the program's own configuration, on a real API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import psutil
import pytest
import requests
from fakepve.certs import make_cert

from components import nginx
from components.powerdns import server as program
from lab.controllers.config import Config
from lab.controllers.powerdns import PowerDns
from lab.plugins.kubernetes.api import Object
from tests.processes import arguments
from tests.unit.network.conftest import NODE, Admin, controlled, eventually, host

NAMESPACE = "powerdns"
DNS_PORT, API_PORT = 5300, 8444
KEY = "only-for-this-test"
ADDRESS = host(200)
SIZE = {"storage": "1Gi"}


class Site:
    """The objects of the program, and clients of what runs from them."""

    def __init__(self, admin: Admin, folder: Path) -> None:
        self._admin = admin
        self.authority = folder / "ca.pem"
        self.made: list[Object] = []
        chain, key, _ = make_cert(str(folder), hosts=(ADDRESS,))
        self.authority.write_text(Path(chain).read_text())
        configuration = Path(program.__file__).with_name("pdns.conf").read_text()
        proxy = program.proxy_configuration([IPv4Network("127.0.0.0/8")])
        self.create("ConfigMap", "powerdns", data={"pdns.conf": configuration})
        self.create("ConfigMap", "powerdns-tls", data={"nginx.conf": proxy})
        self.create("Secret", "powerdns", data={"api.conf": _encoded(f"api-key={KEY}\n")})
        tls = {"tls.crt": _encoded(Path(chain).read_text()), "tls.key": _encoded(Path(key).read_text())}
        self.create("Secret", "powerdns-api-tls", data=tls)

    def create(self, kind: str, name: str, **fields: Any) -> Object:
        item = self._admin.create("v1", kind, NAMESPACE, name, **fields)
        self.made.append(item)
        return item

    def delete(self, item: Object) -> None:
        self._admin.delete(item)
        self.made.remove(item)

    def bind(self) -> None:
        """Make the claim and its volume; the cluster's own controller brings them together."""
        common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
        claim = self.create("PersistentVolumeClaim", "powerdns-data", spec={**common, "resources": {"requests": SIZE}})
        # With its uid, as a provisioner does it: the controller has nothing to write, so nothing to retry later.
        reference = {"kind": claim["kind"], **{key: claim["metadata"][key] for key in ("name", "namespace", "uid")}}
        source = {"hostPath": {"path": "/nowhere"}}
        self.create("PersistentVolume", "pv-1", spec={**common, **source, "capacity": SIZE, "claimRef": reference})

    def service(self, **ports: int) -> Object:
        numbers = {"dns-udp": DNS_PORT, "dns-tcp": DNS_PORT, "api": API_PORT, **ports}
        listed = [
            {"name": name, "port": port, "targetPort": name, "protocol": "UDP" if name == "dns-udp" else "TCP"}
            for name, port in numbers.items()
        ]
        selector = {"app": "powerdns"}
        service = self.create(
            "Service", "powerdns", spec={"type": "LoadBalancer", "selector": selector, "ports": listed}
        )
        self._admin.status(service, {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}})
        return service

    def pod(self, name: str = "powerdns-0", **changes: Any) -> Object:
        """The pod that the program's StatefulSet makes."""
        server = {
            "name": "powerdns",
            "image": program.IMAGE,
            "args": [f"--lmdb-schema-version={program.SCHEMA_VERSION}"],
            "ports": [
                {"name": "dns-udp", "containerPort": program.DNS_PORT, "protocol": "UDP"},
                {"name": "dns-tcp", "containerPort": program.DNS_PORT},
            ],
            "volumeMounts": [
                {"name": "configuration", "mountPath": "/etc/powerdns/pdns.conf", "subPath": "pdns.conf"},
                {"name": "key", "mountPath": "/etc/powerdns/pdns.d"},
                {"name": "data", "mountPath": "/var/lib/powerdns"},
                {"name": "run", "mountPath": "/run/pdns"},
            ],
        }
        proxy = {
            "name": "api-tls",
            "image": nginx.IMAGE,
            "command": ["nginx", "-g", "daemon off;"],
            "ports": [{"name": "api", "containerPort": program.API_PORT}],
            "securityContext": {"runAsUser": nginx.UID},
            "volumeMounts": [
                {"name": "proxy", "mountPath": "/etc/nginx/nginx.conf", "subPath": "nginx.conf"},
                {"name": "tls", "mountPath": program.CERTIFICATE_FOLDER},
                {"name": "tmp", "mountPath": "/tmp"},
            ],
        }
        spec = {
            "nodeName": NODE,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": program.UID},
            "containers": [server, proxy],
            "volumes": [
                {"name": "configuration", "configMap": {"name": "powerdns"}},
                {"name": "proxy", "configMap": {"name": "powerdns-tls"}},
                {"name": "key", "secret": {"secretName": "powerdns"}},
                {"name": "tls", "secret": {"secretName": "powerdns-api-tls"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "powerdns-data"}},
                {"name": "run", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
            ],
        }
        return self.create("Pod", name, metadata={"labels": {"app": "powerdns"}}, spec={**spec, **changes})

    def call(self, method: str = "GET", *, port: int = API_PORT, key: str = KEY, **options: Any) -> requests.Response:
        """Use the API over verified TLS."""
        url = f"https://{ADDRESS}:{port}/api/v1/servers/localhost/zones"
        return requests.request(
            method, url, headers={"X-API-Key": key}, timeout=5, verify=str(self.authority), **options
        )

    def zones(self) -> list[str]:
        return [zone["name"] for zone in self.call().json()]

    def add_zone(self) -> None:
        zone = {"name": "ef-fr.dev.", "kind": "Primary", "nameservers": ["ns1.ef-fr.dev."]}
        answer = eventually(lambda: self.call("POST", json=zone))
        assert answer.ok, answer.text


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def answers(*, tcp: bool = False) -> dns.rcode.Rcode:
    ask = dns.query.tcp if tcp else dns.query.udp
    return ask(dns.message.make_query("ef-fr.dev", "SOA"), ADDRESS, 2, DNS_PORT).rcode()


def silent() -> bool:
    """True if no pod of this test runs: its programs run in sandboxes, those of other tests' fixtures do not."""
    programs = [each for each in psutil.Process().children(recursive=True) if each.name() in ("pdns_server", "nginx")]
    return not any(parent.name() == "bwrap" for each in programs for parent in each.parents())


@pytest.fixture
def site(admin: Admin, namespace: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(admin, tmp_path)
    yield site
    names = [item["metadata"]["name"] for item in site.made]
    for item in reversed(site.made):
        admin.delete(item)
    eventually(lambda: not _left(admin, names))


def _left(admin: Admin, names: list[str]) -> list[str]:
    """Pods and volumes take a moment to go."""
    left = []
    for path in (f"namespaces/{NAMESPACE}/pods", f"namespaces/{NAMESPACE}/persistentvolumeclaims", "persistentvolumes"):
        items = admin.api.get(f"/api/v1/{path}")["items"]
        left += [each["metadata"]["name"] for each in items if each["metadata"]["name"] in names]
    return left


def test_runs_from_the_programs_objects_and_keeps_its_data(site: Site, admin: Admin, config: Config) -> None:
    with controlled(PowerDns(config), admin):
        pod = site.pod()
        service = site.service()
        assert silent()  # the claim is not bound
        site.bind()
        site.add_zone()
        assert eventually(lambda: answers() == answers(tcp=True) == dns.rcode.NOERROR)
        site.delete(pod)
        assert eventually(silent)
        site.pod("powerdns-1")
        assert eventually(lambda: site.zones() == ["ef-fr.dev."])
        site.delete(service)
        assert eventually(silent)
    assert not list((config.state / "pods").iterdir())
    assert (config.volumes / "pv-1" / "pdns.lmdb").exists()


def test_moves_with_the_services_ports(site: Site, admin: Admin, config: Config) -> None:
    with controlled(PowerDns(config), admin):
        site.bind()
        site.pod()
        service = site.service()
        assert eventually(lambda: site.call().ok)
        ports = [{**port, "port": 8445} if port["name"] == "api" else port for port in service["spec"]["ports"]]
        admin.patch(service, {"spec": {"ports": ports}})
        assert eventually(lambda: site.call(port=8445).ok)


def test_api_needs_the_key_and_tls_and_is_nowhere_in_clear(site: Site, admin: Admin, config: Config) -> None:
    with controlled(PowerDns(config), admin):
        site.bind()
        site.pod()
        site.service()
        assert eventually(lambda: site.call().ok)
        assert site.call(key="wrong").status_code == 401
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"https://{ADDRESS}:{API_PORT}", timeout=5)
        for process in psutil.Process().children(recursive=True):
            assert KEY not in arguments(process)
    assert KEY not in "".join(log.read_text() for log in config.state.glob("*.log"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initContainers": [{"name": "init", "image": "x"}]}, "init containers are not modelled"),
        ({"containers": [{"name": "x", "image": "quay.io/x/exporter:1"}]}, "no program for quay.io/x/exporter:1"),
        ({"containers": [{"name": "x", "image": program.IMAGE, "command": ["sh"]}]}, "models only pdns_server"),
        ({"volumes": [{"name": "x", "configMap": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "the kind of volume x is not modelled"),
    ],
)
def test_pod_that_cannot_start_says_why(
    site: Site, admin: Admin, config: Config, changes: Object, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lab")
    site.bind()
    plain = {"containers": [{"name": "x", "image": program.IMAGE}], "volumes": []}
    with controlled(PowerDns(config), admin):
        site.pod(**{**plain, **changes})
        site.service()
        assert eventually(lambda: message in caplog.text)
    assert silent()
