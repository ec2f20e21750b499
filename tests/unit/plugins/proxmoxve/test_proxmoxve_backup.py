"""Storages on NFS and backup jobs: the plugin's resources, against what the lab's Proxmox VE makes of them."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.plugins.base import Call, Props, Resource, ResourceError
from lab.plugins.proxmoxve import PLUGIN
from lab.plugins.proxmoxve.backup import Job
from lab.plugins.proxmoxve.storage import Nfs
from lab.proxmox.backups import Backups
from lab.proxmox.nfs import PORT
from tests.unit.proxmox_server import ProxmoxServer

EXPORT = "/srv/backup/paris/vzdump"
SERVER = f"127.88.{os.getpid() % 256}.{os.getpid() // 256 % 254 + 1}"


class Server(Backups, ProxmoxServer):
    """A Proxmox VE that knows backups."""


class Exports(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(f"{EXPORT}\t127.0.0.0/8\trw\n/srv/other\t10.0.0.0/8\trw\n".encode())


@pytest.fixture(scope="module")
def nfs_server() -> Iterator[str]:
    with socketserver.TCPServer((SERVER, PORT), Exports) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield SERVER
        server.shutdown()
        thread.join()


@pytest.fixture
def call(serve_proxmox: Callable[[Any], Any], proxmox_token: str) -> Iterator[Call]:
    server = serve_proxmox(Server())
    config = PLUGIN.configure({"endpoint": server.url, "apiToken": proxmox_token})
    yield Call(config=config, urn="urn:pulumi:test::oss-nextgen::type::name")
    config.api.session.close()


def declare(resource: Resource, call: Call, values: Props) -> Props:
    inputs, failures = resource.check(values, None, call)
    assert failures == []
    return inputs


def storage(**changes: Any) -> Props:
    return {"resourceId": "backup", "server": SERVER, "export": EXPORT, "contents": ["backup"], **changes}


def job(**changes: Any) -> Props:
    values = {"resourceId": "nightly", "schedule": "02:00", "storage": "backup", "vmids": ["2101", "2102"]}
    return {**values, "pruneBackups": {"keep-daily": "7"}, "compress": "zstd", "repeatMissed": True, **changes}


@pytest.mark.parametrize(
    ("resource", "values", "changes"),
    [
        (Nfs(), storage(options="vers=4.2"), {"nodes": ["pve1"], "options": None}),
        (Job(), job(notesTemplate="{{guestname}}"), {"vmids": ["2101"], "pruneBackups": {}, "notesTemplate": None}),
    ],
)
def test_life(nfs_server: str, call: Call, resource: Resource, values: Props, changes: Props) -> None:
    """Made, read as it is, changed, and gone."""
    if isinstance(resource, Job):
        Nfs().create(declare(Nfs(), call, storage()), call)
    inputs = declare(resource, call, values)
    id, outputs = resource.create(inputs, call)
    assert resource.read(id, inputs, outputs, call) == (id, inputs, outputs)

    news = declare(resource, call, {**values, **changes})
    outputs = resource.update(id, outputs, inputs, news, call)
    assert resource.read(id, news, outputs, call) == (id, news, outputs)
    assert resource.read(id, {}, {}, call) == (id, news, outputs)

    resource.delete(id, outputs, call)
    assert resource.read(id, news, outputs, call) is None
    resource.delete(id, outputs, call)


@pytest.mark.parametrize(
    ("resource", "values", "says"),
    [
        (Nfs(), storage(server="127.0.0.254"), "storage 'backup' is not online"),
        (Nfs(), storage(export="/srv/other"), "access denied by server while mounting"),
        (Nfs(), storage(export="/srv/none"), "No such file or directory"),
        (Nfs(), storage(resourceId="local"), "storage ID 'local' already defined"),
        (Job(), job(), "storage 'backup' does not exist"),
        (Job(), job(storage="local-lvm"), "does not support backups"),
        (Job(), job(storage="local", vmids=None), "property is missing"),
    ],
)
def test_what_proxmox_refuses(nfs_server: str, call: Call, resource: Resource, values: Props, says: str) -> None:
    with pytest.raises(ResourceError, match=says):
        resource.create(declare(resource, call, values), call)


def test_another_export_is_another_storage_that_comes_first(call: Call) -> None:
    """As the official plugin, which leaves the order to the program."""
    inputs = declare(Nfs(), call, storage())
    diff = Nfs().diff(inputs, inputs, declare(Nfs(), call, storage(export="/srv/other")), call)
    assert diff.changes["export"].replace
    assert not diff.delete_before_replace


def test_a_job_has_its_name_alone(nfs_server: str, call: Call) -> None:
    Nfs().create(declare(Nfs(), call, storage()), call)
    Job().create(declare(Job(), call, job()), call)
    with pytest.raises(ResourceError, match="Job 'nightly' already exists"):
        Job().create(declare(Job(), call, job()), call)


def test_other_network_storages_are_not_modelled(call: Call) -> None:
    with pytest.raises(ResourceError, match="storages of type pbs are not modelled"):
        call.config.api.post("/storage", type="pbs", storage="pbs", server=SERVER, datastore="d", username="u@pbs")
