"""TXT records: where they may be made, until when they are waited for, and that they always go."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from dns.edns import EDECode, EDEOption

from components.certificates.dns01 import METADATA, STALE, Dns01
from components.certificates.lookup import DnsError, Resolvers, Server
from components.certificates.provider import AcmeCertificateProvider
from components.certificates.session import AcmeError
from components.powerdns.client import PowerDns
from lab.authority import Authority
from tests.unit.certificates.conftest import txt
from tests.unit.certificates.inputs import certificate, issue, register
from tests.unit.certificates.servers import Pebble, pebble, resolver, worker_host
from tests.unit.powerdns.server import DNS_PORT, KEY, running
from tests.unit.powerdns.server import Server as PowerDnsServer

NAME = "_acme-challenge.ef-fr.dev."
VALUES = {"ef-fr.dev": ["one", "two"]}


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDnsServer]:
    """Another server without zones."""
    with running(tmp_path_factory.mktemp("elsewhere"), worker_host(4)) as server:
        yield server


def dns01(
    powerdns: PowerDnsServer,
    *,
    seen_at: PowerDnsServer | None = None,
    servers: list[str] | None = None,
    owner: str = "tests",
) -> Dns01:
    """The subject; by default the server is also the resolver, and the only authoritative one."""
    resolver = Server((seen_at or powerdns).address, DNS_PORT)
    shown_at = [Server(address, DNS_PORT) for address in servers or [powerdns.address]]
    return Dns01(PowerDns(powerdns.api_url, KEY), owner, Resolvers([resolver]), shown_at)


def test_published_for_the_time_of_a_block(powerdns: PowerDnsServer) -> None:
    with dns01(powerdns).published({**VALUES, "a.ef-fr.io": ["three"]}):
        assert txt(powerdns) == {NAME: ['"one"', '"two"'], "_acme-challenge.a.ef-fr.io.": ['"three"']}
    assert txt(powerdns) == {}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, AcmeError("refused")])
def test_removed_however_the_block_ends(powerdns: PowerDnsServer, interruption: Any) -> None:
    with pytest.raises((KeyboardInterrupt, AcmeError)), dns01(powerdns).published(VALUES):
        raise interruption
    assert txt(powerdns) == {}


def test_a_validation_that_fails(
    powerdns: PowerDnsServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, elsewhere: PowerDnsServer
) -> None:
    """The CA asks a server that does not have the records."""
    with pebble(tmp_path, worker_host(3), elsewhere) as blind:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(blind.bundle))
        with pytest.raises(AcmeError, match=r"validation of ef-fr\.dev, .*: ef-fr\.dev: .*TXT.* \(unauthorized\)"):
            issue(certificate(powerdns, register(blind)))
    assert txt(powerdns) == {}


def test_a_zone_that_is_not_on_this_server(powerdns: PowerDnsServer) -> None:
    with (
        pytest.raises(DnsError, match=r"no zone that holds example\.org"),
        dns01(powerdns).published({"example.org": ["one"]}),
    ):
        pass


def test_a_copy_of_a_zone(powerdns: PowerDnsServer) -> None:
    powerdns.call("PUT", "/zones/ef-fr.dev.", {"kind": "Secondary", "masters": ["192.0.2.1", "192.0.2.2:5300"]})
    with (
        pytest.raises(DnsError, match=r"is in ef-fr\.dev\., .* a copy, fetched from 192\.0\.2\.1, 192\.0\.2\.2:5300: "),
        dns01(powerdns).published(VALUES),
    ):
        pass


def test_a_zone_that_is_not_delegated(powerdns: PowerDnsServer, elsewhere: PowerDnsServer) -> None:
    with pytest.raises(DnsError) as refused, dns01(powerdns, seen_at=elsewhere).published(VALUES):
        pass
    assert str(refused.value) == (
        "ef-fr.dev. is not delegated to this PowerDNS: "
        f"the resolvers {elsewhere.address}:{DNS_PORT} find no such zone. "
        "Have dev. (at your registrar, if that is a public one) delegate it: "
        f"ef-fr.dev. NS ns1.ef-fr.dev., ns1.ef-fr.dev. A {powerdns.address}."
    )


def test_a_zone_that_is_delegated_elsewhere(powerdns: PowerDnsServer, elsewhere: PowerDnsServer) -> None:
    elsewhere.call("POST", "/zones", {"name": "ef-fr.dev.", "kind": "Native", "nameservers": ["ns.registrar.example."]})
    with (
        pytest.raises(DnsError, match=r"resolvers .* name ns\.registrar\.example\.\. Have dev\."),
        dns01(powerdns, seen_at=elsewhere).published(VALUES),
    ):
        pass


UNREACHABLE = EDEOption(EDECode.NO_REACHABLE_AUTHORITY, "10.75.10.200:53 timed out")
SAID = " (EDE 22 (No Reachable Authority): 10.75.10.200:53 timed out)"
DELEGATION = "They should find ef-fr.dev. NS ns1.ef-fr.dev., ns1.ef-fr.dev. A {address}"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("zone", "reason", "said", "found"),
    [
        ("ef-fr.dev.", UNREACHABLE, SAID, DELEGATION),
        ("ef-fr.dev.", None, "", DELEGATION),
        ("dev.", UNREACHABLE, SAID, "They find ef-fr.dev. there"),
    ],
    ids=["said", "silent", "above"],
)
def test_a_delegation_to_where_nobody_answers(
    powerdns: PowerDnsServer, zone: str, reason: EDEOption | None, said: str, found: str
) -> None:
    """To an address inside, or one whose port is not forwarded: there is a delegation, and it is not the matter."""
    seen_at = PowerDnsServer(worker_host(5), powerdns.log)
    with (
        resolver(seen_at.address, zone, reason),
        pytest.raises(DnsError) as refused,
        dns01(powerdns, seen_at=seen_at).published(VALUES),
    ):
        pass
    assert str(refused.value) == (
        f"{zone} is delegated, but the resolvers {seen_at.address}:{DNS_PORT} get no answer from its servers{said}. "
        f"{found.format(address=powerdns.address)}, and the CA asks there itself: forward port 53 (UDP and TCP) of an "
        "address that it reaches to that site's services.dnsAddress, and set services.dnsPublicAddress to it; or "
        "choose a CA and resolvers that reach services.dnsAddress (acme.directory, acme.resolvers)."
    )
    assert txt(powerdns) == {}


def test_a_name_in_a_zone_of_its_own(powerdns: PowerDnsServer, elsewhere: PowerDnsServer) -> None:
    for zone in ("ef-fr.dev.", "lille.ef-fr.dev."):
        elsewhere.call("POST", "/zones", {"name": zone, "kind": "Native", "nameservers": ["ns1.lille.ef-fr.dev."]})
    with (
        pytest.raises(
            DnsError, match=r"a\.lille\.ef-fr\.dev is in lille\.ef-fr\.dev\., .*this PowerDNS has only ef-fr"
        ),
        dns01(powerdns, seen_at=elsewhere).published({"a.lille.ef-fr.dev": ["one"]}),
    ):
        pass


@pytest.mark.usefixtures("impatient")
def test_resolvers_that_are_silent(powerdns: PowerDnsServer) -> None:
    nobody = PowerDnsServer(worker_host(9), powerdns.log)
    with pytest.raises(DnsError, match="do not answer"), dns01(powerdns, seen_at=nobody).published(VALUES):
        pass


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_show_the_records(powerdns: PowerDnsServer, elsewhere: PowerDnsServer) -> None:
    elsewhere.call("POST", "/zones", {"name": "ef-fr.dev.", "kind": "Native", "nameservers": ["ns1.ef-fr.dev."]})
    servers = [powerdns.address, elsewhere.address, worker_host(9)]
    with pytest.raises(DnsError) as refused, dns01(powerdns, servers=servers).published(VALUES):
        pass
    assert f"{elsewhere.address}:{DNS_PORT}: it does not show the record yet" in str(refused.value)
    assert f"{worker_host(9)}:{DNS_PORT}: no answer" in str(refused.value)
    assert f"{powerdns.address}:{DNS_PORT}" not in str(refused.value)
    assert txt(powerdns) == {}


def test_the_servers_of_the_zone_are_found(powerdns: PowerDnsServer) -> None:
    resolvers = Resolvers([Server(powerdns.address, DNS_PORT)])
    assert resolvers.servers_of("ef-fr.io.") == [Server(powerdns.address)]
    powerdns.set("ef-fr.io.", "ef-fr.io.", "NS", "ns9.ef-fr.io.")
    with pytest.raises(DnsError, match=r"ns9\.ef-fr\.io\., a name server of ef-fr\.io\., has no address"):
        resolvers.servers_of("ef-fr.io.")


def test_a_secondary_is_told(powerdns: PowerDnsServer, elsewhere: PowerDnsServer) -> None:
    """It fetches the zone because of the NOTIFY: by itself it would look only after hours."""
    powerdns.call("PUT", "/zones/ef-fr.dev.", {"kind": "Primary", "soa_edit_api": "INCREASE"})
    powerdns.call("PUT", "/zones/ef-fr.dev./metadata/ALLOW-AXFR-FROM", {"metadata": ["127.0.0.0/8"]})
    target = f"{elsewhere.address}:{DNS_PORT}"
    powerdns.call("PUT", "/zones/ef-fr.dev./metadata/ALSO-NOTIFY", {"metadata": [target]})
    primary = f"{powerdns.address}:{DNS_PORT}"
    elsewhere.call("POST", "/zones", {"name": "ef-fr.dev.", "kind": "Secondary", "masters": [primary]})
    with dns01(powerdns, servers=[powerdns.address, elsewhere.address]).published(VALUES):
        assert txt(elsewhere) == {NAME: ['"one"', '"two"']}


@contextmanager
def creating(props: dict[str, Any], before: str = "") -> Iterator[subprocess.Popen[str]]:
    """Create a certificate in a process of its own, which is killed when the block ends."""
    code = (
        f"from {AcmeCertificateProvider.__module__} import *\n{before}\nAcmeCertificateProvider().create(eval(input()))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(f"{props!r}\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_killed_run_leaves_nothing_after_the_next(powerdns: PowerDnsServer, registered: dict[str, Any]) -> None:
    """The first waits for a server that never answers, and is killed meanwhile."""
    props = certificate(powerdns, registered)
    with creating({**props, "servers": [f"{worker_host(9)}:{DNS_PORT}"]}):
        deadline = time.monotonic() + 120
        while not txt(powerdns) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(txt(powerdns)[NAME]) == 2
    issue(props)
    assert txt(powerdns) == {}


@pytest.mark.usefixtures("impatient")
def test_a_run_killed_after_validation_leaves_nothing_after_the_next(
    powerdns: PowerDnsServer, acme: Pebble, tmp_path: Path
) -> None:
    """The next has nothing to validate, and so publishes nothing: it would not see the records at its servers."""
    reuse, authority = {"PEBBLE_AUTHZREUSE": "100"}, Authority(acme.bundle.parent)
    with pebble(tmp_path, worker_host(3), powerdns, authority=authority, environment=reuse) as server:
        props = certificate(powerdns, register(server))
        with creating(props, "import os; Dns01._clean_up = lambda *_: os.kill(os.getpid(), 9)") as process:
            assert process.wait(120) == -signal.SIGKILL
        assert len(txt(powerdns)[NAME]) == 2
        issue({**props, "servers": [f"{worker_host(9)}:{DNS_PORT}"]})
    assert txt(powerdns) == {}


def test_a_domain_without_values_is_cleaned_up_too(powerdns: PowerDnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is asked of it: its zone may be on other servers by now."""
    with monkeypatch.context() as killed, dns01(powerdns).published({"a.ef-fr.io": ["left"]}):
        killed.setattr(Dns01, "_clean_up", Mock())
    assert txt(powerdns) == {"_acme-challenge.a.ef-fr.io.": ['"left"']}
    with dns01(powerdns).published({**VALUES, "a.ef-fr.io": [], "example.org": []}):
        assert txt(powerdns) == {NAME: ['"one"', '"two"']}
    assert txt(powerdns) == {}


def test_a_run_that_has_lost_its_engine_gives_way(powerdns: PowerDnsServer) -> None:
    """It still waits for a server that never answers when the next run of the same certificate begins."""

    def lost() -> None:
        with dns01(powerdns, servers=[worker_host(9)]).published(VALUES):
            pass

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lost)
        deadline = time.monotonic() + 120
        while not txt(powerdns) and time.monotonic() < deadline:
            time.sleep(0.05)
        with dns01(powerdns).published({"ef-fr.dev": ["three"]}):
            with pytest.raises(DnsError, match="another run has taken over"):
                waiting.result(30)
            assert txt(powerdns) == {NAME: ['"three"']}
    assert txt(powerdns) == {}


def test_what_others_have_left_long_ago_is_removed(powerdns: PowerDnsServer) -> None:
    powerdns.set("ef-fr.dev.", NAME, "TXT", '"dead"', '"alive"')
    now = int(time.time())
    for kind, since, value in (("DEAD", now - STALE - 1, "dead"), ("ALIVE", now - 60, "alive")):
        note = {"metadata": [f"{since} {NAME} {value}"]}
        powerdns.call("PUT", f"/zones/ef-fr.dev./metadata/{METADATA}{kind}", note)
    with dns01(powerdns).published(VALUES):
        assert txt(powerdns) == {NAME: ['"alive"', '"one"', '"two"']}
    assert txt(powerdns) == {NAME: ['"alive"']}
    powerdns.set("ef-fr.dev.", NAME, "TXT")
    powerdns.call("DELETE", f"/zones/ef-fr.dev./metadata/{METADATA}ALIVE")


def test_a_note_outlives_its_records(powerdns: PowerDnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed while it removes what another has left leaves that to the next one."""
    powerdns.set("ef-fr.dev.", NAME, "TXT", '"dead"')
    note = {"metadata": [f"{int(time.time()) - STALE - 1} {NAME} dead"]}
    powerdns.call("PUT", f"/zones/ef-fr.dev./metadata/{METADATA}DEAD", note)
    with monkeypatch.context() as killed:
        killed.setattr(PowerDns, "patch", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), dns01(powerdns).published(VALUES):
            pass
    assert txt(powerdns) == {NAME: ['"dead"']}
    with dns01(powerdns).published(VALUES):
        pass
    assert txt(powerdns) == {}


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("2001:db8::1", Server("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Server("2001:db8::1", 5353)),
    ],
)
def test_addresses(text: str, server: Server) -> None:
    assert Server.parse(text) == server
    assert Server.parse(str(server)) == server


@pytest.mark.parametrize("text", ["", "ns1.ef-fr.dev", "192.0.2.1:0", "192.0.2.1:x", "192.0.2.1:70000", "1.2.3:53"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Server.parse(text)
