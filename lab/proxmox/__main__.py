"""`python -m lab.proxmox CONFIG`: one site's Proxmox VE, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from lab.proxmox.config import ConfigError, read
from lab.proxmox.service import serve
from lab.proxmox.state import StateError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.proxmox", description=__doc__)
    parser.add_argument("config", type=Path, help="the site's proxmox.json, which the lab writes")
    try:
        config = read(parser.parse_args().config)
        asyncio.run(serve(config))
    except (ConfigError, StateError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
