"""Two certificates, each for a zone's apex and its wildcard, with a new account."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.files import write_private
from lab.peers.commands import Stack, seconds
from lab.peers.servers import DNS_PORT, Servers

ZONES = ("one.bench.dev", "two.bench.dev")
EMAIL = "platform@ef-fr.dev"
PROGRAM = f"""\
import pulumi
from components.certificates import AcmeAccount, AcmeAccountArgs, AcmeCertificate, AcmeCertificateArgs
from components.powerdns import Connection

config = pulumi.Config()
connection = Connection(config.require("api"), config.require_secret("key"))
account = AcmeAccount("account", AcmeAccountArgs(config.require("directory"), {EMAIL!r}))
server = config.require("server")
for zone in {ZONES!r}:
    names = [zone, f"*.{{zone}}"]
    args = AcmeCertificateArgs(account, names, connection, resolvers=[server], servers=[server])
    AcmeCertificate(zone, args)
"""


def ours(servers: Servers, folder: Path, env: Mapping[str, str]) -> float:
    """Seconds of one `pulumi up`."""
    stack = Stack(folder / "certificates", PROGRAM, env)
    server = f"{servers.address}:{DNS_PORT}"
    stack.configure(servers.key, api=servers.api_url, directory=servers.directory, server=server)
    taken = stack.up()
    stack.destroy()
    return taken


def certbot(servers: Servers, folder: Path, env: Mapping[str, str], binary: Path) -> float:
    """Seconds of two runs of certbot, one for each certificate; it waits for no propagation."""
    folder = folder / "certbot"
    folder.mkdir()
    credentials = folder / "powerdns.ini"
    write_private(credentials, f"dns_powerdns_api_url = {servers.api_url}\ndns_powerdns_api_key = {servers.key}\n")
    command = [
        *(str(binary), "certonly", "--non-interactive", "--agree-tos", "-m", EMAIL, "--server", servers.directory),
        *(argument for name in ("config", "work", "logs") for argument in (f"--{name}-dir", str(folder / name))),
        *("--authenticator", "dns-powerdns", "--dns-powerdns-credentials", str(credentials)),
        *("--dns-powerdns-propagation-seconds", "0"),
    ]
    return sum(seconds([*command, "-d", zone, "-d", f"*.{zone}"], env=env) for zone in ZONES)
