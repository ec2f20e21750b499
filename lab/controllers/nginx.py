"""nginx's configuration file for a set of servers. All paths are relative to its own folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lab.controllers.backends import Backend
from lab.controllers.external_auth import SESSION, ExternalAuth
from lab.controllers.ingress_controller import IngressController
from lab.controllers.ingresses import Location, Server, Servers

FOLDERS: Final = ("secrets", "temp")
PID_FILE: Final = "nginx.pid"

_HEAD: Final = """\
daemon off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 512; }
http {
access_log access.log;
client_body_temp_path temp/body;
proxy_temp_path temp/proxy;
fastcgi_temp_path temp/fastcgi;
uwsgi_temp_path temp/uwsgi;
scgi_temp_path temp/scgi;
server_names_hash_bucket_size 128;
server_tokens off;
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
"""

_PROXY: Final = """\
proxy_http_version 1.1;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Host $host;
proxy_set_header X-Forwarded-Port $server_port;
proxy_set_header X-Forwarded-Proto $scheme;"""

_WEBSOCKET: Final = """\
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;"""

_PAGE: Final = (
    "<!doctype html><title>{service}</title><h1>{service}</h1>"
    "<p>{namespace}/{service}, port {port}, is played by kwok in the lab: its pods are objects without a process, "
    "and this page is the answer of the lab's nginx for the ingress of host {host}.</p>"
)


def render(controller: IngressController, servers: Servers) -> str:
    """The configuration."""
    http, https = controller.default_ports
    lines = [_HEAD, *_default_server(controller.listen(http), controller.listen(https), servers.default_certificate)]
    for server in servers.servers.values():
        lines += _server(server, controller)
    return "\n".join([*lines, "}", ""])


def _default_server(http: str | None, https: str | None, certificate: str) -> Iterator[str]:
    """For hosts that no Ingress names."""
    if not http and not https:
        return
    yield "server {"
    if http:
        yield f"listen {http} default_server;"
    if https:
        yield f"listen {https} ssl default_server;"
        yield from _certificate(certificate)
    yield "server_name _;\nlocation / { return 404; }\n}"


def _server(server: Server, controller: IngressController) -> Iterator[str]:
    plain = [place for port in server.ports if (place := controller.listen(port))]
    tls = [place for port in server.tls_ports if (place := controller.listen(port))]
    if not plain and not tls:
        return
    asked = [server.external_auth.backend] if server.external_auth else []
    for backend in dict.fromkeys([*(location.backend for location in server.locations), *asked]):
        yield from _upstream(server, backend)
    yield f"# {server.ingress}\nserver {{\nserver_name {server.host};"
    yield from (f"listen {place};" for place in plain)
    yield from (f"listen {place} ssl;" for place in tls)
    if tls:
        yield from _certificate(server.certificate)
    if server.redirect:
        yield f"if ($scheme = http) {{ return 301 https://$host:{server.redirect}$request_uri; }}"
    yield from (f"{directive};" for directive in server.directives)
    if server.status:
        yield f"location / {{ return {server.status}; }}\n}}"
        return
    if server.external_auth:
        yield from _external_auth(server, server.external_auth)
    for number, location in enumerate(server.locations):
        answer = _answer(server, location)
        if server.external_auth and not location.backend.servers:
            # A `return` would come before anybody is asked.
            yield f"location @{number} {{\n{answer}\n}}"
            answer = f"try_files /none @{number};"
        yield f"location {location.path} {{\n{answer}\n}}"
    if "/" not in [location.path for location in server.locations]:
        yield "location / { return 404; }"
    yield "}"


def _external_auth(server: Server, auth: ExternalAuth) -> Iterator[str]:
    yield f"auth_request {auth.location};"
    asked = f"proxy_pass http://{_name(server, auth.backend)}"
    if auth.backend.servers:
        headers = f'proxy_set_header Content-Length "0";\n{_PROXY}'
        yield f"location {auth.location} {{\ninternal;\nproxy_pass_request_body off;\n{headers}\n{asked}{auth.uri};\n}}"
        headers = f"proxy_set_header X-Auth-Request-Redirect $request_uri;\n{_PROXY}"
        sign_in = f"{headers}\n{asked};"
    else:
        name, value = SESSION
        known = f'if ($cookie_{name} = "{value}") {{ return 204; }}\n' if auth.backend.played else ""
        status = 401 if auth.backend.played else 502
        yield f"location {auth.location} {{\ninternal;\n{known}return {status};\n}}"
        sign_in = _page(server, auth.backend)
    if auth.sign_in:
        yield f"proxy_intercept_errors on;\nerror_page 401 {auth.sign_in};"
        yield f"location {auth.sign_in_path} {{\nauth_request off;\n{sign_in}\n}}"


def _certificate(path: str) -> Iterator[str]:
    if path:
        yield f"ssl_certificate {path};\nssl_certificate_key {path};"
    else:
        yield "ssl_reject_handshake on;"


def _upstream(server: Server, backend: Backend) -> Iterator[str]:
    if backend.servers:
        yield f"upstream {_name(server, backend)} {{"
        yield from (f"server {address} max_fails=1 fail_timeout=10s;" for address in backend.servers)
        yield "}"


def _name(server: Server, backend: Backend) -> str:
    return f"{server.ingress.replace('/', '-')}-{server.host}-{backend.service}-{backend.port}"


def _answer(server: Server, location: Location) -> str:
    backend = location.backend
    if backend.servers:
        scheme = "https" if location.tls else "http"
        websocket = [_WEBSOCKET] if location.websocket else []
        return "\n".join([_PROXY, *websocket, f"proxy_pass {scheme}://{_name(server, backend)};"])
    return _page(server, backend)


def _page(server: Server, backend: Backend) -> str:
    """What stands for a backend that nothing really answers for."""
    if not backend.played:
        return "return 502;"
    # Only names, which Kubernetes keeps to letters, digits, dots and dashes: nothing ends the string.
    page = _PAGE.format(**vars(backend), host=server.host)
    return f'default_type text/html;\nreturn 200 "{page}";'
