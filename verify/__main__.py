"""`python -m verify SITE`: exit code 0 if all is well, 1 if not."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from components.engine import EngineError
from settings import SettingsError
from verify import plan, report
from verify.certificates import Trust, TrustError
from verify.checks import run_all
from verify.stack import Stack, StackError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m verify", description="Check a site as its users would.")
    parser.add_argument("site", help="the stack's name")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM file of roots to trust beside the system's")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        trust = Trust(arguments.ca)
        print(f"reading the stack {arguments.site}", file=sys.stderr, flush=True)
        checks = plan.checks(Stack.read(arguments.site), trust)
    except (EngineError, StackError, SettingsError, TrustError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    progress = report.Progress()
    results = run_all(checks, progress.show)
    progress.end()
    passed = sum(result.passed for result in results)
    print(report.table(results))
    print(f"\n{arguments.site}: {passed} of {len(results)} checks passed in {time.monotonic() - started:.1f} s")
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
