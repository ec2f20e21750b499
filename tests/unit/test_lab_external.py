"""What plays a site's external services on the lab."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from lab.layout import Lab, Site
from lab.services import external
from lab.services.supervisor import Service

SERVICES = [
    {"name": "proxmox", "host": "proxmox.ef-fr.dev", "address": "10.75.10.5", "port": 8006},
    {"name": "nas", "host": "nas.ef-fr.io", "address": "10.75.10.6", "port": 5001},
    {"name": "backups", "host": "backups.ef-fr.dev", "address": "10.75.10.5", "port": 8007},
    {"name": "wiki", "host": "wiki.ef-fr.dev", "address": "10.75.10.6", "port": 8080, "scheme": "http"},
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(external, "stack_values", lambda _site: {"externalServices": SERVICES})
    return Lab(home=tmp_path, block=94).site("paris")


@pytest.fixture
def started(site: Site) -> Iterator[list[Service]]:
    services = external.servers(site, {})
    for service in services:
        service.start()
    yield services
    for service in services:
        service.stop()


def test_proxmox_is_the_labs_and_any_other_has_an_address_of_its_own(site: Site) -> None:
    assert external.routes(site) == {"10.75.10.5": "127.94.16.1", "10.75.10.6": "127.94.16.101"}
    assert external.proxmox_names(site) == ["proxmox.ef-fr.dev"]


def test_each_is_known_by_its_own_authority_only(site: Site, started: list[Service]) -> None:
    authorities = external.authorities(site)
    assert len(set(authorities.values())) == len(SERVICES)
    nas = partial(page, "127.94.16.101", 5001)
    assert "nas" in nas(authorities["nas"])
    with pytest.raises(ssl.SSLCertVerificationError):
        nas(authorities["proxmox"])
    assert "wiki" in page("127.94.16.101", 8080)


def test_one_that_is_named_no_more_is_ended(
    site: Site, started: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [service.name for service in external.recorded(site)] == [
        "external-backups",
        "external-nas",
        "external-wiki",
    ]
    monkeypatch.setattr(external, "stack_values", lambda _site: {"externalServices": SERVICES[:3]})

    assert [service.name for service in external.servers(site, {})] == ["external-nas", "external-backups"]

    running = {service.name for service in started if service.process()}
    assert running == {"external-nas", "external-backups"}


def page(address: str, port: int, authority: str | None = None) -> str:
    connection = HTTPConnection(address, port, timeout=5)
    if authority:
        connection = HTTPSConnection(address, port, timeout=5, context=ssl.create_default_context(cadata=authority))
    with closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
