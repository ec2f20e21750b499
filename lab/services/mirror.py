"""A web server for a folder. The lab's mirror is one: the Proxmox of the lab really downloads the installer medium.

`python -m lab.services.mirror FOLDER ADDRESS PORT [CHAIN KEY]`: over HTTPS with a certificate, else over HTTP.
"""

from __future__ import annotations

import ssl
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


def main(folder: str, address: str, port: str, chain: str = "", key: str = "") -> None:
    server = ThreadingHTTPServer((address, int(port)), partial(SimpleHTTPRequestHandler, directory=folder))
    if chain:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
