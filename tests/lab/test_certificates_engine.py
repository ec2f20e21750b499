"""Accounts and certificates with the real engine, a real Pebble and a real PowerDNS."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.certificates.dns01 import LONGEST_PAUSE
from lab.layout import REPOSITORY
from tests.lab.project import Project
from tests.lab.waiting import wait_for
from tests.unit.certificates.servers import EAB_KEY, Pebble, pebble, worker_host
from tests.unit.powerdns.server import DNS_PORT, KEY, Server, running

PROGRAM = """
import pulumi
from components.certificates import AcmeAccount, AcmeAccountArgs, AcmeCertificate, AcmeCertificateArgs
from components.certificates.resources import ExternalBinding
from components.powerdns import Connection

config = pulumi.Config()
connection = Connection(config.require("api"), config.require_secret("key"))
binding = ExternalBinding("kid-1", config.require_secret("hmac"))
account = AcmeAccount("acme", AcmeAccountArgs(config.require("directory"), config.get("email") or "", binding))
certificate = AcmeCertificate("tls", AcmeCertificateArgs(
    account, ["ef-fr.dev", "*.ef-fr.dev"], connection,
    resolvers=[config.get("resolver") or config.require("server")], servers=[config.require("server")],
))
pulumi.export("chain", certificate.full_chain_pem)
pulumi.export("certificate", certificate.certificate_pem)
pulumi.export("key", certificate.private_key_pem)
pulumi.export("accountKey", account.key)
pulumi.export("serial", certificate.serial)
pulumi.export("window", certificate.renewal_window)
"""

WINDOW = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


@pytest.fixture
def powerdns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("powerdns"), worker_host(11)) as server:
        server.call("POST", "/zones", {"name": "ef-fr.dev.", "kind": "Native", "nameservers": ["ns1.ef-fr.dev."]})
        yield server


@pytest.fixture
def acme(tmp_path_factory: pytest.TempPathFactory, powerdns: Server) -> Iterator[Pebble]:
    # Its pauses before a validation, up to two seconds here, are on, and so are its refused nonces. It takes its own
    # customers only.
    delays = {"PEBBLE_VA_NOSLEEP": "", "PEBBLE_VA_SLEEPTIME": "3", "PEBBLE_WFE_NONCEREJECT": "20"}
    customers: dict[str, Any] = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": EAB_KEY}}
    home = tmp_path_factory.mktemp("pebble")
    with pebble(home, worker_host(12), powerdns, environment=delays, **customers) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, powerdns: Server, acme: Pebble, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(acme.bundle))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    project = Project(tmp_path, "", PROGRAM)
    server = f"{powerdns.address}:{DNS_PORT}"
    project.configure(api=powerdns.api_url, directory=acme.directory, server=server)
    project.pulumi("config", "set", "--secret", "key", given=KEY)
    project.pulumi("config", "set", "--secret", "hmac", given=EAB_KEY)
    return project


def test_life(project: Project, powerdns: Server, acme: Pebble) -> None:
    """Two resources from nothing, a state of before `owner`, an account that changes, a renewal, and the end."""
    assert "+ 3 to create" in project.pulumi("preview")
    printed = project.pulumi("up", "--yes", "--skip-preview")
    first = project.outputs()
    assert first["chain"].startswith(first["certificate"])
    project.pulumi("preview", "--expect-no-changes")

    older = project.folder / "older.json"
    project.pulumi("stack", "export", "--file", str(older))
    state = json.loads(older.read_text())
    for resource in state["deployment"]["resources"]:
        for side in ("inputs", "outputs"):
            resource.get(side, {}).pop("owner", None)
    older.write_text(json.dumps(state))
    project.pulumi("stack", "import", "--file", str(older))
    for _ in range(2):
        project.pulumi("preview", "--expect-no-changes")
        project.pulumi("refresh", "--yes", "--skip-preview")
    assert "3 unchanged" in project.pulumi("up", "--yes", "--skip-preview")

    # The account is unknown until it has changed; its certificate stays.
    project.pulumi("config", "set", "email", "platform@ef-fr.dev")
    printed += project.pulumi("up", "--yes")
    assert "~ 1 updated" in printed
    assert project.outputs() == first

    acme.suggest(first["certificate"], *WINDOW)
    printed += project.pulumi("refresh", "--yes", "--skip-preview")
    preview = project.pulumi("preview", "--diff")
    assert f'renew          : "the CA asks to renew between {WINDOW[0]} and {WINDOW[1]} (RFC 9773)"' in preview
    printed += preview + project.pulumi("up", "--yes", "--skip-preview")
    second = project.outputs()
    assert second["serial"] != first["serial"]
    assert acme.status(second["serial"]) == "Valid"
    project.pulumi("preview", "--expect-no-changes")
    printed += project.pulumi("refresh", "--yes", "--skip-preview")
    project.pulumi("preview", "--expect-no-changes")

    written = printed + project.state
    for pem in (first["key"], second["key"], first["accountKey"]):
        assert not any(line in written for line in pem.splitlines()[1:-1])
    for secret in (KEY, EAB_KEY):
        assert secret not in written

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert not challenges(powerdns)


def test_a_kill_in_the_middle_of_an_order(project: Project, powerdns: Server, acme: Pebble) -> None:
    """The engine is killed while the order waits, and the provider goes on: the next update leaves no TXT record."""
    project.configure(server=f"{worker_host(13)}:{DNS_PORT}", resolver=f"{powerdns.address}:{DNS_PORT}")
    engine = project.start("up", "--yes", "--skip-preview")
    try:
        wait_for(lambda: challenges(powerdns))
        engine.kill()
        engine.wait()
        assert len(challenges(powerdns)) == 2
        project.configure(server=f"{powerdns.address}:{DNS_PORT}")
        project.pulumi("cancel", "--yes")
        project.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        project.pulumi("up", "--yes", "--skip-preview")
        time.sleep(LONGEST_PAUSE + 1)
        # On a busy machine the provider that goes on may have added its values again: it removes them at its next look.
        wait_for(lambda: not challenges(powerdns))
    finally:
        for process in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(process.pid) == engine.pid:
                    process.kill()
        engine.wait()
    assert acme.status(project.outputs()["serial"]) == "Valid"


def challenges(powerdns: Server) -> list[str]:
    """Values of all TXT records in the zone."""
    rrsets = powerdns.call("GET", "/zones/ef-fr.dev.")["rrsets"]
    return [record["content"] for rrset in rrsets if rrset["type"] == "TXT" for record in rrset["records"]]


def test_a_refusal_shows_no_secret(project: Project) -> None:
    project.pulumi("config", "set", "--secret", "key", given="not one word")
    printed = project.pulumi("preview", code=1)
    assert "apiKey (not shown) must be one word of printable ASCII characters [bad-key]" in printed
    assert "not one word" not in printed
