"""What the lab's Let's Encrypt, Pebble, is told, and the root certificate that it makes.

Pebble keeps all in memory: each start makes a new root and forgets accounts and orders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import requests

from lab.authority import Authority
from lab.files import write_private

DIRECTORY_PORT = 14000
MANAGEMENT_PORT = 15000
CAA = "letsencrypt.org"
"""What a CAA record must name: that of the CA that Pebble stands for."""
SETTINGS = {
    # Each authorization is validated; otherwise a second certificate would prove nothing.
    "PEBBLE_AUTHZREUSE": "0",
    # Its pauses and its refused nonces are for tests of clients, which have a Pebble of their own.
    "PEBBLE_VA_NOSLEEP": "1",
    "PEBBLE_WFE_NONCEREJECT": "0",
}
"""Environment of the process."""


@dataclass(frozen=True)
class Pebble:
    """One Pebble.

    Args:
        home: Folder for its configuration and its server certificate.
        address: Loopback address that it listens on.
    """

    home: Path
    address: IPv4Address

    @property
    def directory(self) -> str:
        """URL of the ACME directory."""
        return f"https://{self.address}:{DIRECTORY_PORT}/dir"

    @property
    def roots(self) -> Path:
        """PEM bundle: the root of every start so far, as certificates outlive the Pebble that issued them."""
        return self.home / "roots.pem"

    def write_config(self, authority: Authority) -> Path:
        """Write Pebble's configuration file; its server certificate comes from `authority`."""
        chain, key = authority.issue(self.home, self.address)
        path = self.home / "pebble.json"
        config = {
            "listenAddress": f"{self.address}:{DIRECTORY_PORT}",
            "managementListenAddress": f"{self.address}:{MANAGEMENT_PORT}",
            "certificate": str(chain),
            "privateKey": str(key),
            # HTTP-01 and TLS-ALPN-01, which nothing here answers.
            "httpPort": 5002,
            "tlsPort": 5001,
            "caaIdentities": [CAA],
            "keyAlgorithm": "ecdsa",
            # Seconds, between two looks of a client at an order.
            "retryAfter": {"authz": 1, "order": 1},
            "profiles": {"default": {"description": "90 days, as Let's Encrypt's", "validityPeriod": 90 * 86400}},
        }
        write_private(path, json.dumps({"pebble": config}, indent=2))
        return path

    def save_root(self, authority: Authority) -> Path:
        """Ask the running Pebble for its root and keep it in `roots`. Returns the bundle's path.

        Raises:
            requests.RequestException: it does not answer.
        """
        answer = requests.get(
            f"https://{self.address}:{MANAGEMENT_PORT}/roots/0", timeout=10, verify=str(authority.bundle)
        )
        answer.raise_for_status()
        known = self.roots.read_text() if self.roots.exists() else ""
        if answer.text not in known:
            write_private(self.roots, known + answer.text)
        return self.roots
