"""DNS checks against a real server that is well, or not."""

from __future__ import annotations

from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.unit.verify.conftest import MakeStack
from tests.unit.verify.servers import address, dns_server
from verify import names
from verify.checks import CheckFailed, run_all

ZONE = "ef-fr.dev."
RECORDS = {
    (ZONE, "SOA"): ["ns1.ef-fr.dev. platform.ef-fr.dev. 2026112301 10800 3600 604800 300"],
    (ZONE, "NS"): ["ns1.ef-fr.dev.", "ns2.ef-fr.dev."],
    ("home.ef-fr.dev.", "A"): ["10.75.10.201"],
    ("alias.ef-fr.dev.", "CNAME"): ["home.ef-fr.dev."],
    ("old.ef-fr.dev.", "A"): ["10.75.10.9"],
}
Change = Callable[[dns.message.Message, str], dns.message.Message | None]


def answer(query: dns.message.Message) -> dns.message.Message:
    """An authoritative answer out of `RECORDS`; follows one alias."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    name, kind = query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype)
    if (name, "CNAME") in RECORDS:
        response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", *RECORDS[name, "CNAME"]))
        name = RECORDS[name, "CNAME"][0]
    if (name, kind) in RECORDS:
        response.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *RECORDS[name, kind]))
    return response


def well(response: dns.message.Message, _transport: str) -> dns.message.Message:
    return response


def refused(response: dns.message.Message, _transport: str) -> dns.message.Message:
    response.set_rcode(dns.rcode.REFUSED)
    return response


def without_authority(response: dns.message.Message, _transport: str) -> dns.message.Message:
    response.flags &= ~dns.flags.AA
    return response


def without_ns(response: dns.message.Message, _transport: str) -> dns.message.Message:
    response.answer = [rrset for rrset in response.answer if rrset.rdtype != dns.rdatatype.NS]
    return response


def only_udp(response: dns.message.Message, transport: str) -> dns.message.Message | None:
    return response if transport == "udp" else None


def only_tcp(response: dns.message.Message, transport: str) -> dns.message.Message | None:
    return response if transport == "tcp" else None


def test_a_zone_that_is_served() -> None:
    with dns_server(address(1), lambda query, _: answer(query)) as port:
        found = names.zone_is_served("ef-fr.dev", names.Server(address=address(1), port=port))
    assert found == "serial 2026112301, 2 NS, over UDP and TCP"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (refused, "answers REFUSED: SOA of ef-fr.dev over UDP"),
        (without_authority, "answers without authority: SOA of ef-fr.dev over UDP"),
        (without_ns, "has no such record: NS of ef-fr.dev over UDP"),
        (only_udp, "does not answer as a DNS server: SOA of ef-fr.dev over TCP: EOFError"),
        (only_tcp, "does not answer: SOA of ef-fr.dev over UDP"),
    ],
)
def test_a_zone_that_is_not_served(change: Change, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.3)
    with dns_server(address(1), lambda query, transport: change(answer(query), transport)) as port:
        server = names.Server(address=address(1), port=port)
        with pytest.raises(CheckFailed) as failure:
            names.zone_is_served("ef-fr.dev", server)
    assert str(failure.value) == f"{server} {reason}"


def test_a_lost_datagram_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.3)
    lost: set[int] = set()

    def lossy(query: dns.message.Message, transport: str) -> dns.message.Message | None:
        if transport == "udp" and query.question[0].rdtype not in lost:
            lost.add(query.question[0].rdtype)
            return None
        return answer(query)

    with dns_server(address(1), lossy) as port:
        names.zone_is_served("ef-fr.dev", names.Server(address=address(1), port=port))
    assert len(lost) == 2


def test_every_zone_is_asked_of_every_server(stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.3)
    with dns_server(address(1), lambda query, _: answer(query)) as port:
        servers = [{"address": address(1), "port": port}, {"address": address(2), "port": port}]
        outputs = {"domains": ["ef-fr.dev", "ef-fr.io"], "dnsServers": servers}
        results = run_all(names.zones(stack(outputs)))
    assert [(result.target, result.passed) for result in results] == [
        (f"ef-fr.dev at {address(1)}:{port}", True),
        (f"ef-fr.dev at {address(2)}:{port}", False),  # nothing listens there
        (f"ef-fr.io at {address(1)}:{port}", False),  # not its zone
        (f"ef-fr.io at {address(2)}:{port}", False),
    ]


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({}, "the stack has no output dnsServers: `pulumi up -s paris` did not get that far"),
        ({"dnsServers": []}, "the output dnsServers names no server"),
        (
            {"dnsServers": [{"address": "10.0.0.1"}]},
            "not as docs/outputs.schema.json says: dnsServers.0.port: Field required",
        ),
    ],
)
def test_no_server_to_ask(stack: MakeStack, outputs: dict[str, object], reason: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        names.zones(stack(outputs))
    assert str(failure.value) == reason


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("home.ef-fr.dev", None),
        ("alias.ef-fr.dev", None),
        ("old.ef-fr.dev", "says 10.75.10.9, not 10.75.10.201"),
        ("none.ef-fr.dev", "has no such record: A of none.ef-fr.dev over UDP"),
    ],
)
def test_where_a_host_leads(stack: MakeStack, host: str, reason: str | None) -> None:
    with dns_server(address(1), lambda query, _: answer(query)) as port:
        site = stack({"dnsServers": [{"address": address(1), "port": port}]})
        if reason is None:
            assert names.host_address(site, host, "10.75.10.201") == "10.75.10.201"
            return
        with pytest.raises(CheckFailed) as failure:
            names.host_address(site, host, "10.75.10.201")
    assert str(failure.value) == f"{address(1)}:{port} {reason}"
