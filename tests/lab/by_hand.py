"""What somebody does by hand on a site's own name server, past the program."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from components.powerdns.client import PowerDns
from components.socle.zones import TRANSFER_KEY
from tests.lab.conftest import LabUnderTest


@contextmanager
def changed(lab: LabUnderTest, site: str, name: str, address: str) -> Iterator[str]:
    """For the length of the block a name has another address, and transfers another key, which is given.

    Args:
        lab: The site is up in it.
        site: The stack.
        name: A name of its zone with an A record, with its last dot.
        address: The other address.
    """
    known, zone = lab.outputs(site, "--show-secrets")["dns"], name.partition(".")[2]
    key = base64.b64encode(b"a key that somebody has made by hand").decode()
    with PowerDns(known["apiUrl"], known["apiKey"], known["caCertificate"]) as api:
        records, transfers = api.record_set(zone, name, "A"), api.tsig_key(TRANSFER_KEY)
        assert records is not None
        assert transfers is not None
        former = {key: records[key] for key in ("name", "type", "ttl", "records")} | {"changetype": "REPLACE"}
        api.patch(zone, [{**former, "records": [{"content": address, "disabled": False}]}])
        api.update_tsig_key(TRANSFER_KEY, transfers["algorithm"], key)
        try:
            yield key
        finally:
            api.update_tsig_key(TRANSFER_KEY, transfers["algorithm"], transfers["key"])
            api.patch(zone, [former])
