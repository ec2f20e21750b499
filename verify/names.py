"""The site's zones, asked of each of its DNS servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
from pydantic import BaseModel

from verify.checks import Check, CheckFailed
from verify.stack import Stack

TIMEOUT = 3.0
"""Seconds for one query."""
UDP_ATTEMPTS = 3
"""A datagram may be lost: whoever resolves names tries again."""


class Server(BaseModel):
    """What is read of each of the output `dnsServers`."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def zones(stack: Stack) -> list[Check]:
    """A check for each zone on each server.

    Raises:
        CheckFailed: the outputs name no server.
    """
    return [
        Check("dns", f"{zone} at {server}", partial(zone_is_served, zone, server))
        for zone in stack.domains()
        for server in _servers(stack)
    ]


def zone_is_served(zone: str, server: Server) -> str:
    """A server has authority for a zone: SOA and NS, over UDP and over TCP (RFC 1034, RFC 7766).

    Raises:
        CheckFailed: it does not answer, or not with authority.
    """
    for transport, ask in (("UDP", _over_udp), ("TCP", _over_tcp)):
        soa = _answer(zone, "SOA", server, transport, ask)
        name_servers = _answer(zone, "NS", server, transport, ask)
    return f"serial {soa[0].serial}, {len(name_servers)} NS, over UDP and TCP"


def serial(zone: str, server: Server) -> int:
    """The serial of a zone at a server that has authority for it.

    Raises:
        CheckFailed: it does not answer, or not with authority.
    """
    return int(_answer(zone, "SOA", server, "UDP", _over_udp)[0].serial)


def host_address(stack: Stack, host: str, expected: str) -> str:
    """Each of the site's DNS servers leads a host's name to an address.

    Args:
        host: A name in one of the site's zones.
        expected: IPv4 address.

    Raises:
        CheckFailed: a server leads elsewhere.
    """
    servers = _servers(stack)
    for server in servers:
        found = sorted(record.address for record in _answer(host, "A", server, "UDP", _over_udp))
        if found != [expected]:
            raise CheckFailed(f"{server} says {', '.join(found)}, not {expected}")
    return f"{expected}, say {len(servers)} servers" if len(servers) > 1 else expected


def _servers(stack: Stack) -> list[Server]:
    servers = stack.output("dnsServers", list[Server])
    if not servers:
        raise CheckFailed("the output dnsServers names no server")
    return servers


Ask = Callable[[dns.message.QueryMessage, Server], dns.message.Message]


def _answer(name: str, kind: str, server: Server, transport: str, ask: Ask) -> dns.rrset.RRset:
    """The record set that a server answers with, from its own data; where an alias leads, if it answers with one."""
    # Without "recursion desired": what the server has learned elsewhere is not asked for.
    query = dns.message.make_query(name, kind, flags=0)
    question = f"{kind} of {name} over {transport}"
    try:
        response = ask(query, server)
    except (dns.exception.Timeout, TimeoutError):
        raise CheckFailed(f"{server} does not answer: {question}") from None
    except OSError as error:
        raise CheckFailed(f"{server} does not answer: {question}: {error.strerror or error}") from None
    except (dns.exception.DNSException, EOFError) as error:
        raise CheckFailed(f"{server} does not answer as a DNS server: {question}: {type(error).__name__}") from None
    if response.rcode() != dns.rcode.NOERROR:
        raise CheckFailed(f"{server} answers {dns.rcode.to_text(response.rcode())}: {question}")
    if not response.flags & dns.flags.AA:
        raise CheckFailed(f"{server} answers without authority: {question}")
    for rrset in reversed(response.answer):
        if rrset.rdtype == dns.rdatatype.from_text(kind):
            return rrset
    raise CheckFailed(f"{server} has no such record: {question}")


def _over_udp(query: dns.message.QueryMessage, server: Server) -> dns.message.Message:
    for _ in range(UDP_ATTEMPTS - 1):
        try:
            return dns.query.udp(query, server.address, TIMEOUT, server.port)
        except dns.exception.Timeout:
            continue
    return dns.query.udp(query, server.address, TIMEOUT, server.port)


def _over_tcp(query: dns.message.QueryMessage, server: Server) -> dns.message.Message:
    return dns.query.tcp(query, server.address, TIMEOUT, server.port)
