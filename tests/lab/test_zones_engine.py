"""Zones and record sets with the real engine and a real PowerDNS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.layout import REPOSITORY
from tests.lab.project import Project
from tests.unit.powerdns.server import KEY, Server, running, worker_host

TSIG = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
PROGRAM = """
import pulumi
from components.powerdns import (
    Connection, RecordSet, RecordSets, RecordSetsArgs, Soa, TsigKey, TsigKeyArgs, Zone, ZoneArgs,
)

config = pulumi.Config()
connection = Connection(config.require("api"), config.require_secret("key"))
key = TsigKey("transfer", TsigKeyArgs(connection, "transfer", config.require_secret("tsig")))
hosts = [RecordSet(f"h{number}.ef-fr.dev", "A", [config.require("address")]) for number in range(2)]
more = [RecordSet(f"m{number}.ef-fr.dev", "A", ["192.0.2.7"]) for number in range(config.require_int("more"))]
child = [
    RecordSet("lille.ef-fr.dev", "NS", ["ns1.lille.ef-fr.dev"]),
    RecordSet("ns1.lille.ef-fr.dev", "A", ["192.0.2.59"]),
]
zone = Zone("oss", ZoneArgs(
    connection, "ef-fr.dev", nameservers=["ns1.ef-fr.dev"], kind="Primary", dnssec=True, transfer_keys=[key.name],
    record_sets=[RecordSet("ns1.ef-fr.dev", "A", ["192.0.2.53"]), *hosts, *more, *child],
    allow_bulk_change=config.get_bool("bulk") or False,
))
mail = RecordSets("mail", RecordSetsArgs(connection, zone.zone, [RecordSet("ef-fr.dev", "MX", ["10 m.ef-fr.dev"])]))
pulumi.export("ds", zone.ds)
pulumi.export("foreign", zone.foreign)
if config.get_bool("import"):
    name = "ef-fr.io"
    found = Zone("io", ZoneArgs(
        connection, name, nameservers=["ns1.ef-fr.dev"], soa=Soa(mailbox="hostmaster@ef-fr.io"),
        record_sets=[RecordSet("www.ef-fr.io", "A", [config.require("www")], 300)],
    ), pulumi.ResourceOptions(import_="ef-fr.io."))
    pulumi.export("imported", found.foreign)
"""


@pytest.fixture
def powerdns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("powerdns"), worker_host(11)) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, powerdns: Server, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    project = Project(tmp_path, "", PROGRAM)
    project.configure(api=powerdns.api_url, address="192.0.2.1", more="10")
    project.pulumi("config", "set", "--secret", "key", given=KEY)
    project.pulumi("config", "set", "--secret", "tsig", given=TSIG)
    return project


def test_life(project: Project, powerdns: Server) -> None:
    """A zone from nothing, a change, drift made by hand, the brake, and the end."""
    printed = project.pulumi("preview", "--diff")
    assert re.search(r'h0\.ef-fr\.dev\. A +: "3600 192\.0\.2\.1"', printed)
    printed += project.pulumi("up", "--yes", "--skip-preview")
    assert project.outputs()["ds"]
    project.pulumi("preview", "--expect-no-changes")

    project.configure(address="192.0.2.2")
    preview = project.pulumi("preview", "--diff")
    changes = re.findall(r'~ (h\d)\.ef-fr\.dev\. A +: "3600 192\.0\.2\.1" => "3600 192\.0\.2\.2"', preview)
    assert changes == ["h0", "h1"]
    printed += preview + project.pulumi("up", "--yes", "--skip-preview")
    assert powerdns.query("h1.ef-fr.dev", "A")[0][0].to_text() == "192.0.2.2"

    powerdns.set("ef-fr.dev.", "h1.ef-fr.dev.", "A", "192.0.2.66")
    powerdns.set("ef-fr.dev.", "hand.ef-fr.dev.", "A", "192.0.2.67")
    refresh = project.pulumi("refresh", "--preview-only", "--diff")
    assert re.search(r'~ h1\.ef-fr\.dev\. A +: "3600 192\.0\.2\.2" => "300 192\.0\.2\.66"', refresh)
    assert "ef-fr.dev. has a record set that is not declared: hand.ef-fr.dev. A" in refresh
    printed += refresh + project.pulumi("refresh", "--yes", "--skip-preview")
    printed += project.pulumi("up", "--yes", "--skip-preview")
    assert project.outputs()["foreign"].keys() == {"hand.ef-fr.dev. A", "ef-fr.dev. MX"}
    assert powerdns.query("h1.ef-fr.dev", "A")[0][0].to_text() == "192.0.2.2"
    assert powerdns.query("hand.ef-fr.dev", "A")

    project.configure(more="0")
    refused = project.pulumi("preview", code=1)
    assert "allowBulkChange is off, and 10 of 17 record sets would be deleted or changed" in refused
    project.configure(bulk="true")
    printed += refused + project.pulumi("up", "--yes", "--skip-preview")
    assert not powerdns.query("m1.ef-fr.dev", "A")

    for secret in (KEY, TSIG):
        assert secret not in printed + project.state
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert powerdns.zones() == []


def test_an_import(project: Project, powerdns: Server) -> None:
    """A zone that is there is taken over as it is, and only if it is as declared."""
    soa = "ns1.ef-fr.dev. hostmaster.ef-fr.io. 1 10800 3600 1209600 3600"
    powerdns.call("POST", "/zones", {"name": "ef-fr.io.", "kind": "Native", "nameservers": []})
    powerdns.set("ef-fr.io.", "ef-fr.io.", "SOA", soa, ttl=3600)
    powerdns.set("ef-fr.io.", "ef-fr.io.", "NS", "ns1.ef-fr.dev.", ttl=3600)
    powerdns.set("ef-fr.io.", "www.ef-fr.io.", "A", "192.0.2.80")
    powerdns.set("ef-fr.io.", "hand.ef-fr.io.", "A", "192.0.2.81")
    before = powerdns.call("GET", "/zones/ef-fr.io.")["rrsets"]
    project.configure(**{"import": "true", "www": "192.0.2.99"})
    refused = project.pulumi("up", "--yes", "--skip-preview", code=1)
    assert "www.ef-fr.io. A is '300 192.0.2.80', declared as '300 192.0.2.99'" in refused

    project.configure(www="192.0.2.80")
    project.pulumi("up", "--yes", "--skip-preview")
    assert project.outputs()["imported"] == {"hand.ef-fr.io. A": "300 192.0.2.81"}
    assert powerdns.call("GET", "/zones/ef-fr.io.")["rrsets"] == before
    project.write(PROGRAM.replace(', pulumi.ResourceOptions(import_="ef-fr.io.")', ""))
    project.pulumi("preview", "--expect-no-changes")
