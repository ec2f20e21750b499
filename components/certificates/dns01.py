"""Answers to DNS-01 challenges (RFC 8555, 8.4) through the API of the PowerDNS that serves the zone. No Pulumi in here.

    with Dns01(api, owner).published({"ef-fr.dev": [value]}):
        ...  # every authoritative server shows the TXT record

What is published is noted first, in the metadata of the zone (`X-ACME-<owner>`): should the process be
killed in the middle, the next order of the same owner, or any other an hour later, removes what was left.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from components.certificates.lookup import DnsError, Resolvers, Server
from components.powerdns.client import COPIES, PowerDns, PowerDnsError
from components.powerdns.names import normalise
from components.process import show

TTL = 60
"""Seconds. Short: a resolver of the CA may remember the values of the last order."""
PROPAGATION = 300.0
"""Seconds that the secondaries may take."""
STALE = 3600
"""Seconds after which nobody's order is still running."""
METADATA = "X-ACME-"
LONGEST_PAUSE = 5.0
"""Seconds between two looks at the servers, at most."""
_SHORTEST_PAUSE = 0.1
_CHANGING = threading.Lock()
"""Held while a record set or metadata is read, changed and written: certificates are made side by side."""

Records = Mapping[str, Sequence[str]]
"""Values of the TXT record sets by their full name."""


class Dns01:
    """Publishes the records of one certificate.

    Args:
        api: The server that holds the zones.
        owner: Whose records these are; the same in the next run, and no other certificate's.
        resolvers: Where to look for the delegation.
        servers: The zones' authoritative servers; empty for those that their NS records name, on port 53.
    """

    def __init__(
        self, api: PowerDns, owner: str, resolvers: Resolvers | None = None, servers: Sequence[Server] = ()
    ) -> None:
        self._api = api
        self._kind = METADATA + hashlib.sha256(owner.encode()).hexdigest()[:16].upper()
        self._resolvers = resolvers or Resolvers()
        self._servers = servers
        self._notes: dict[str, list[str]] = {}

    @contextmanager
    def published(self, values: Mapping[str, Sequence[str]]) -> Iterator[None]:
        """Show TXT values at the `_acme-challenge` of each domain, for the time of the block.

        Returns once every authoritative server shows all of them. They are removed however the block ends. What
        killed orders have left in the zones goes first, in those of domains without values too.

        Raises:
            DnsError: a domain is not on this PowerDNS, its zone is not delegated to it, or a server does not
                show the records in time.
            PowerDnsError: a call of the API failed.
        """
        held = {domain: self._held_zone(domain) for domain in values}
        for zone in set(filter(None, held.values())):
            self._remove_left_behind(zone)
        by_zone: dict[str, dict[str, Sequence[str]]] = {}
        for domain, wanted in values.items():
            if wanted:
                zone = self._zone(domain, held[domain])
                by_zone.setdefault(zone, {})[f"_acme-challenge.{normalise(domain)}"] = wanted
        servers = {zone: self._servers or self._resolvers.servers_of(zone) for zone in by_zone}
        try:
            for zone, records in by_zone.items():
                self._publish(zone, records)
            for zone, records in by_zone.items():
                self._wait(zone, records, servers[zone])
            yield
        finally:
            for zone, records in by_zone.items():
                self._clean_up(zone, records)

    def _zone(self, domain: str, zone: str | None) -> str:
        """The zone of a domain, which must be this server's for all the world."""
        if zone is None:
            raise DnsError(f"This PowerDNS has no zone that holds {domain}: declare it before its certificate.")
        seen, unanswered = self._resolvers.zone_of(normalise(domain))
        if len(seen) > len(zone):
            raise DnsError(
                f"{domain} is in {seen}, a zone of its own on other servers "
                f"({', '.join(self._resolvers.records(seen, 'NS'))}); this PowerDNS has only {zone}. "
                "Order that certificate where its zone is served."
            )
        mine = _contents(self._api.record_set(zone, zone, "NS"))
        if unanswered and len(seen) < len(zone):
            raise DnsError(f"{unanswered}. {self._reachable(zone, mine, unanswered.name)}")
        theirs = self._resolvers.records(zone, "NS") if seen == zone else []
        if not set(theirs) & set(mine):
            found = f"name {', '.join(theirs)}" if theirs else "find no such zone"
            parent = zone.partition(".")[2] or "."
            raise DnsError(
                f"{zone} is not delegated to this PowerDNS: the resolvers {self._resolvers} {found}. Have {parent} "
                f"(at your registrar, if that is a public one) delegate it: {self._delegation(zone, mine)}."
            )
        return zone

    def _reachable(self, zone: str, mine: Sequence[str], silent: str) -> str:
        """What to do where the servers of a zone, or of one that holds it, are out of the resolvers' reach."""
        found = f"They should find {self._delegation(zone, mine)}" if silent == zone else f"They find {zone} there"
        return (
            f"{found}, and the CA asks there itself: forward port 53 (UDP and TCP) of an address that it reaches to "
            "that site's services.dnsAddress, and set services.dnsPublicAddress to it; or choose a CA and resolvers "
            "that reach services.dnsAddress (acme.directory, acme.resolvers)."
        )

    def _held_zone(self, domain: str) -> str | None:
        """The closest zone that this server has."""
        name = normalise(domain)
        while name:
            found = self._api.zone(name, record_sets=False)
            if found and found["kind"] in COPIES:
                raise DnsError(
                    f"{domain} is in {name}, of which this PowerDNS has a copy, fetched from "
                    f"{', '.join(found['masters'])}: order its certificate with the API of the server that it is "
                    "fetched from."
                )
            if found:
                return name
            name = name.partition(".")[2]
        return None

    def _delegation(self, zone: str, hosts: Iterable[str]) -> str:
        """The records that the parent needs, with the addresses of servers that are in the zone itself."""
        lines = [f"{zone} NS {host}" for host in hosts]
        for host in hosts:
            if host.endswith(f".{zone}"):
                lines += [f"{host} A {address}" for address in _contents(self._api.record_set(zone, host, "A"))]
        return ", ".join(lines)

    def _publish(self, zone: str, records: Records) -> None:
        now = int(time.time())
        with _CHANGING:
            notes = [f"{now} {name} {value}" for name, values in records.items() for value in values]
            self._notes[zone] = notes
            self._api.set_metadata(zone, self._kind, notes)
            self._add(zone, records)
        self._api.announce(zone)

    def _remove_left_behind(self, zone: str) -> None:
        """Remove what killed orders have published; each note goes after its records, should this be killed too."""
        with _CHANGING:
            left = self._left_behind(zone)
            for kind, records in left.items():
                self._remove(zone, records)
                self._api.set_metadata(zone, kind, ())
        if left:
            self._api.announce(zone)

    def _left_behind(self, zone: str) -> dict[str, dict[str, list[str]]]:
        """Records of killed orders, by the kind of their note: this owner's, and any other's of long ago."""
        found: dict[str, dict[str, list[str]]] = {}
        long_ago = time.time() - STALE
        for kind, notes in self._api.metadata(zone).items():
            if not kind.startswith(METADATA):
                continue
            parts = [note.split() for note in notes]
            if kind == self._kind or all(int(since) <= long_ago for since, _, _ in parts):
                records = found.setdefault(kind, {})
                for _, name, value in parts:
                    records.setdefault(name, []).append(value)
        return found

    def _is_mine(self, zone: str) -> bool:
        """Whether the note is of this run: one that has lost its engine lives on, and must not disturb the next."""
        return sorted(self._api.metadata(zone).get(self._kind, ())) == sorted(self._notes.get(zone, ()))

    def _wait(self, zone: str, records: Records, servers: Iterable[Server]) -> None:
        """Returns when all servers show all values."""
        deadline, pause = time.monotonic() + PROPAGATION, _SHORTEST_PAUSE
        while True:
            reasons = [
                f"{server}: {reason}"
                for server in servers
                for name, values in records.items()
                if (reason := server.missing(name, values))
            ]
            if not reasons:
                return
            if time.monotonic() + pause > deadline:
                raise DnsError(
                    f"{zone}: not all its servers show {', '.join(records)} after {PROPAGATION:.0f} s: "
                    f"{'; '.join(dict.fromkeys(reasons))}. Check that they run, can be asked from here and fetch it."
                )
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            with _CHANGING:
                if not self._is_mine(zone):
                    raise DnsError(f"{zone}: another run has taken over its {', '.join(records)}: this one ends.")
                # Another program may have written the record set at the same moment.
                self._add(zone, records)

    def _clean_up(self, zone: str, records: Records) -> None:
        """Never fails: a certificate that has been issued must not be lost."""
        try:
            with _CHANGING:
                self._remove(zone, records)
                if self._is_mine(zone):
                    self._api.set_metadata(zone, self._kind, ())
            self._api.announce(zone)
        except PowerDnsError as error:
            show(f"acme: {', '.join(records)} stay until the next order: {error}")

    def _add(self, zone: str, records: Records) -> None:
        for name, values in records.items():
            found = self._api.record_set(zone, name, "TXT")
            present = _contents(found)
            added = [f'"{value}"' for value in values if f'"{value}"' not in present]
            if added:
                kept = found["records"] if found else []
                self._replace(zone, name, [*kept, *map(_record, added)], found["ttl"] if found else TTL)

    def _remove(self, zone: str, records: Records) -> None:
        for name, values in records.items():
            found = self._api.record_set(zone, name, "TXT")
            if found is None:
                continue
            gone = {f'"{value}"' for value in values}
            kept = [record for record in found["records"] if record["content"] not in gone]
            if len(kept) < len(found["records"]):
                self._replace(zone, name, kept, found["ttl"])

    def _replace(self, zone: str, name: str, records: Sequence[Mapping[str, object]], ttl: int) -> None:
        change = {"name": name, "type": "TXT", "ttl": ttl, "changetype": "REPLACE" if records else "DELETE"}
        self._api.patch(zone, [{**change, "records": list(records)}])


def _contents(record_set: Mapping[str, object] | None) -> list[str]:
    records = record_set["records"] if record_set else []
    assert isinstance(records, list)
    return [str(record["content"]) for record in records]


def _record(content: str) -> dict[str, object]:
    return {"content": content, "disabled": False}
