"""What others see of a zone: through public resolvers, and at its authoritative servers. No Pulumi in here.

The machine's own resolver is never asked: inside a company it often has another view of the company's own
zones than the CA has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.nameserver
import dns.query
import dns.rcode
import dns.resolver

RESOLVERS = ("1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53")
"""Public recursive resolvers, for where none are set."""
RESOLVERS_TIMEOUT = 10.0
"""Seconds that the resolvers have for one name, all together."""
SERVER_TIMEOUT = 3.0
"""Seconds that an authoritative server has for one query."""
PORT = 53
PAYLOAD = 1232
"""Octets of an answer over UDP that are not fragmented on the way (DNS flag day 2020)."""
ROOT = "."


class DnsError(Exception):
    """A zone that the world does not see as it should, and what to do."""


class Unanswered(DnsError):
    """A name of which the resolvers get no answer from those that it is delegated to.

    Args:
        name: The name.
        resolvers: Who has asked.
        reasons: What they say of it (RFC 8914), if anything.
    """

    def __init__(self, name: str, resolvers: Resolvers, reasons: Iterable[str] = ()) -> None:
        said = "; ".join(dict.fromkeys(reasons))
        reason = f" ({said})" if said else ""
        super().__init__(f"{name} is delegated, but the resolvers {resolvers} get no answer from its servers{reason}")
        self.name = name


@dataclass(frozen=True)
class Server:
    """A DNS server."""

    address: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """`192.0.2.1`, `192.0.2.1:53` or `[2001:db8::1]:53`.

        Raises:
            ValueError: it is none of these.
        """
        host, separator, port = text.rpartition(":")
        if not separator or (":" in host and not host.startswith("[")):
            host, port = text, str(PORT)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} has no port between 1 and 65535")
        return cls(str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port))

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def missing(self, name: str, values: Iterable[str]) -> str:
        """Why this authoritative server does not show the TXT values, empty if it does."""
        query = dns.message.make_query(name, "TXT", use_edns=0, payload=PAYLOAD)
        query.flags &= ~dns.flags.RD
        try:
            answer, _ = dns.query.udp_with_fallback(query, self.address, SERVER_TIMEOUT, self.port)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            return f"no answer: {error or type(error).__name__}"
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return dns.rcode.to_text(answer.rcode())
        if not answer.flags & dns.flags.AA:
            return "it is not authoritative for the zone"
        shown = {b"".join(rdata.strings).decode() for rrset in answer.answer for rdata in rrset if rdata.rdtype == TXT}
        return "" if shown.issuperset(values) else "it does not show the record yet"


TXT = dns.rdatatype.TXT


class Resolvers:
    """Recursive resolvers, asked in turn.

    Args:
        servers: Empty for `RESOLVERS`.
    """

    def __init__(self, servers: Sequence[Server] = ()) -> None:
        self._servers = tuple(servers) or tuple(map(Server.parse, RESOLVERS))
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = [dns.nameserver.Do53Nameserver(it.address, it.port) for it in self._servers]
        self._resolver.lifetime = RESOLVERS_TIMEOUT
        # Without EDNS they could not say why they fail.
        self._resolver.use_edns(0, payload=PAYLOAD)

    def __str__(self) -> str:
        return ", ".join(map(str, self._servers))

    def records(self, name: str, type_: str) -> list[str]:
        """Values of a record set; none if the name or the type is not there, or its servers do not answer for it.

        Raises:
            DnsError: the resolvers themselves cannot be reached.
        """
        try:
            return self._ask(name, type_)
        except Unanswered:
            return []

    def _ask(self, name: str, type_: str) -> list[str]:
        """The same, but for what its servers do not answer.

        Raises:
            Unanswered: the resolvers get no answer.
            DnsError: they give none themselves.
        """
        try:
            answer = self._resolver.resolve(name, type_, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as failure:
            responses = [response for *_, response in failure.kwargs["errors"] if response is not None]
            failed = [response for response in responses if response.rcode() == dns.rcode.SERVFAIL]
            # A resolver that waits for a zone's servers may take longer than whoever waits for the resolver.
            if failed or (isinstance(failure, dns.exception.Timeout) and name != ROOT and self._alive()):
                reasons = (error.to_text() for response in failed for error in response.extended_errors())
                raise Unanswered(name, self, reasons) from None
            if responses:
                return []
            raise self._silent() from None
        # What a CNAME leads to is not at this name.
        found = answer.rrset if answer.rrset is not None and answer.rrset.name == answer.qname else ()
        return sorted(rdata.to_text().lower() for rdata in found)

    def _silent(self) -> DnsError:
        return DnsError(
            f"The resolvers {self} do not answer within {RESOLVERS_TIMEOUT:.0f} s: check that this machine may ask "
            "them (UDP and TCP), or set others (acme.resolvers)."
        )

    def _alive(self) -> bool:
        """Whether the resolvers answer at all: every one knows the root."""
        try:
            self._ask(ROOT, "SOA")
        except Unanswered:
            return True
        except DnsError:
            return False
        return True

    def zone_of(self, name: str) -> tuple[str, Unanswered | None]:
        """The zone that holds a name, as far up as its servers answer the resolvers; empty if none does.

        Returns:
            The zone, and what the resolvers get no answer of, of what is below it and holds the name: the highest.
        """
        unanswered = None
        while name:
            try:
                if self._ask(name, "SOA"):
                    return name, unanswered
            except Unanswered as failure:
                unanswered = failure
            name = name.partition(".")[2]
        return "", unanswered

    def servers_of(self, zone: str) -> list[Server]:
        """Addresses of the zone's authoritative servers, IPv4 where there is one.

        Raises:
            DnsError: a server has no address.
        """
        found: list[Server] = []
        for host in self.records(zone, "NS"):
            addresses = self.records(host, "A") or self.records(host, "AAAA")
            if not addresses:
                raise DnsError(f"{host}, a name server of {zone}, has no address: the resolvers {self} find none.")
            found += map(Server, addresses)
        return found
