"""The lab's public DNS: asks the server of the longest zone that holds a name, and follows its delegations.

    python -m lab.resolver ADDRESS PORT FORWARDS

FORWARDS is a JSON file, zone -> "address:port", read again for every query: nothing is cached, so that
a zone is seen as its server answers it now. It says what a registrar would: names outside all zones are REFUSED.
A delegation is followed to the address that comes with it (glue), at the port of the server that gave it, for a
name server record has none. UDP and TCP; a query goes on by the transport that it came by.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

log = logging.getLogger("lab.resolver")

DEPTH = 8
"""Delegations that one query follows."""
TIMEOUT = 3.0
"""Seconds that a zone's server may take: less than the patience of those who ask here."""

Upstream = tuple[str, int]
Send = Callable[[dns.message.Message, Upstream], Awaitable[dns.message.Message]]


class Resolver:
    """Answers queries.

    Args:
        forwards: The JSON file; no zones while it is not there.
    """

    def __init__(self, forwards: Path) -> None:
        self._forwards = forwards

    async def answer(self, wire: bytes, send: Send) -> dns.message.Message | None:
        """The response to a query; None where it is no query at all."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException as error:
            log.warning("not a DNS message: %s", error)
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        name = query.question[0].name
        upstream = self._upstream(name)
        if upstream is None:
            return _refuse(query, dns.rcode.REFUSED)
        for _ in range(DEPTH):
            try:
                response = await send(query, upstream)
            except (dns.exception.DNSException, OSError, EOFError) as error:
                log.warning("%s: %s:%d does not answer: %s", name, *upstream, error)
                return _refuse(query, dns.rcode.SERVFAIL)
            address = _delegated(response)
            if address is None:
                break
            upstream = address, upstream[1]
        else:
            log.warning("%s: more than %d delegations, the last to %s:%d", name, DEPTH, *upstream)
            return _refuse(query, dns.rcode.SERVFAIL)
        # A resolver's answer: not from the authority itself, and recursion is what it is here for.
        response.flags = response.flags & ~dns.flags.AA | dns.flags.RA
        return response

    def _upstream(self, name: dns.name.Name) -> Upstream | None:
        try:
            forwards = json.loads(self._forwards.read_text())
        except FileNotFoundError:
            return None
        zones = {dns.name.from_text(zone): target for zone, target in forwards.items()}
        holding = [zone for zone in zones if name.is_subdomain(zone)]
        if not holding:
            return None
        host, _, port = zones[max(holding, key=len)].rpartition(":")
        return host, int(port)


def _delegated(response: dns.message.Message) -> str | None:
    """The address of a server that a response sends on to; None if it is an answer itself."""
    if response.flags & dns.flags.AA or response.answer or response.rcode() != dns.rcode.NOERROR:
        return None
    servers = {rdata.target for rrset in response.authority if rrset.rdtype == dns.rdatatype.NS for rdata in rrset}
    glue = (rrset for rrset in response.additional if rrset.rdtype == dns.rdatatype.A and rrset.name in servers)
    return next((rdata.address for rrset in glue for rdata in rrset), None)


def _refuse(query: dns.message.Message, code: dns.rcode.Rcode) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(code)
    return response


async def _by_udp(query: dns.message.Message, upstream: Upstream) -> dns.message.Message:
    return await dns.asyncquery.udp(query, upstream[0], TIMEOUT, upstream[1])


async def _by_tcp(query: dns.message.Message, upstream: Upstream) -> dns.message.Message:
    return await dns.asyncquery.tcp(query, upstream[0], TIMEOUT, upstream[1])


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Before Python 3.12 the loop's transport of datagrams is not declared as one.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._answer(data, addr))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, data: bytes, client: tuple[str, int]) -> None:
        if response := await self._resolver.answer(data, _by_udp):
            self._transport.sendto(response.to_wire(max_size=65535), client)


async def _serve_tcp(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, any number of queries (RFC 7766)."""
    try:
        while True:
            length = int.from_bytes(await reader.readexactly(2))
            response = await resolver.answer(await reader.readexactly(length), _by_tcp)
            if response is None:
                break
            wire = response.to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has all that it wanted
    finally:
        writer.close()


async def serve(address: str, port: int, forwards: Path) -> None:
    """Answer until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be bound.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    resolver = Resolver(forwards)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(resolver), local_addr=(address, port))
    server = await asyncio.start_server(lambda *streams: _serve_tcp(resolver, *streams), address, port)
    await ended.wait()
    server.close()
    transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.resolver", description="Serve the lab's public DNS.")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("forwards", type=Path, help='JSON file: zone -> "address:port"')
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(options.address, options.port, options.forwards))


if __name__ == "__main__":
    main()
