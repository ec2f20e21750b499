"""Types of values that say where something is reached: URLs, and hosts with a port."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from settings.fields import LABEL, Text, refuse, text

_HOST = rf"{LABEL}(\.{LABEL})*"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_PATH = r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*"
"""Segments of RFC 3986."""
_HTTPS = rf"https://{_HOST}(:{_PORT})?{_PATH}"
_ISO = r"https://[^?#]+/[A-Za-z0-9_-][A-Za-z0-9._-]*\.iso"
"""Its last part names the file in the storage. Of other characters Proxmox VE would make _."""


def _https(value: str) -> str:
    if not re.fullmatch(_HTTPS, value):
        expected = "must be an https:// URL: a host in lower case, a path, and no user name, password, query or blank"
        refuse("bad-url", expected)
    return value


def _endpoint(value: str) -> str:
    url = urlsplit(_https(value))
    if url.path:
        refuse("bad-endpoint", "must end after the host and port, such as https://10.75.10.5:8006")
    if url.port is None:
        # Without one, the program's own calls would go to 8006, the provider's and Packer's to 443.
        refuse("endpoint-without-port", f"must say its port: add :8006, Proxmox VE's own ({value}:8006)")
    return value


def _iso(value: str) -> str:
    if not re.fullmatch(_ISO, _https(value)):
        expected = "must be an https:// URL of an .iso file, whose name Proxmox VE keeps: letters, digits, -, _ and ."
        refuse("bad-iso-url", expected)
    return value


def _disk_image(value: str) -> str:
    # What Proxmox VE imports from a storage (content type `import`), by its name alone.
    known = _https(value).endswith((".qcow2", ".raw", ".vmdk"))
    return value if known else refuse("bad-disk-image-url", "must be an https:// URL of a .qcow2, .raw or .vmdk file")


def _repository(value: str) -> str:
    if not value.strip() or not value.isprintable():
        refuse("bad-repository", "must be what Git can fetch from: a URL, host:path or a path")
    # A Git server takes a token as the user name of an https URL as well; in ssh://git@host it is no secret. Some take
    # one as a query, which Git sends, and shows when it fails.
    if re.match(r"https?://[^/]*@|[a-z+]+://[^/]*:[^/]*@|[a-z+]+://.*[?#]", value, re.IGNORECASE):
        refuse("secret-in-url", "must not hold a user name, password or query; git's credential helper can")
    return value


def _resolver(value: str) -> str:
    address, _, port = value.partition(":")
    try:
        known = IPv4Address(address) and re.fullmatch(_PORT, port)
    except ValueError:
        known = None
    return value if known else refuse("bad-resolver", "must be address:port, such as 1.1.1.1:53")


HttpsUrl = Annotated[str, Text(_https, _HTTPS)]
Endpoint = Annotated[str, Text(_endpoint, rf"https://{_HOST}:{_PORT}")]
IsoUrl = Annotated[str, Text(_iso, _ISO)]
DiskImageUrl = Annotated[str, Text(_disk_image, r"https://[^?#]+\.(qcow2|raw|vmdk)")]
Repository = Annotated[str, AfterValidator(_repository)]
Registry = Annotated[str, text("bad-registry", rf"{_HOST}(:{_PORT})?", "host or host:port, without https:// and path")]
Resolver = Annotated[str, AfterValidator(_resolver)]
