"""`python -m lab.controllers CONFIG`: the controllers of one site, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from lab.controllers.base import serve
from lab.controllers.config import Config, ConfigError
from lab.controllers.dataplane import DataPlane
from lab.controllers.longhorn import LonghornManager
from lab.controllers.metallb import MetalLb
from lab.controllers.pools_webhook import PoolsWebhook
from lab.controllers.powerdns import PowerDns
from lab.controllers.volumes import LonghornDriver
from lab.controllers.webhooks import Webhooks

CONTROLLERS = (Webhooks, MetalLb, PoolsWebhook, LonghornManager, LonghornDriver, PowerDns, DataPlane)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.controllers", description=__doc__)
    parser.add_argument("config", type=Path, help="the site's controllers.json, which the lab writes")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("lab").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = Config.read(parser.parse_args().config)
        serve(config, [kind(config) for kind in CONTROLLERS], stop)
    except (ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
