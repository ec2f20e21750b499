"""`python -m lab COMMAND [SITE]`: the lab's commands, which the Makefile calls."""

from __future__ import annotations

import argparse
import sys

from lab import all_sites, bench, commands, console
from lab.chart_repository import ChartError
from lab.engine import EngineError
from lab.layout import SITES, Lab
from lab.services.supervisor import ServiceError
from lab.toolchain import ToolchainError
from sites import SiteError

ALL = "all"
COMMANDS = {
    "up": commands.up,
    "preview": commands.preview,
    "refresh": commands.refresh,
    "destroy": commands.destroy,
    "recover": commands.recovery,
    "diff": commands.diff,
    "verify": commands.verify,
    "env": commands.env,
    "tools": commands.tools,
    "status": commands.status,
    "down": commands.down,
    "bench": bench.bench,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("site", nargs="?", choices=(*SITES, ALL), default="paris", help="all: with `up` only")
    arguments = parser.parse_args()
    if arguments.site == ALL and arguments.command != "up":
        parser.error(f"{arguments.command} takes one site: {', '.join(SITES)}")
    try:
        if arguments.site == ALL:
            all_sites.up(Lab.current())
            return 0
        COMMANDS[arguments.command](Lab.current(), arguments.site)
    except (ChartError, EngineError, ServiceError, SiteError, ToolchainError) as error:
        console.error(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
