"""`python -m settings [check]` checks every stack file of the current folder, each by itself and all together.

`python -m settings schema > docs/stack.schema.json` publishes the JSON Schema that the stack files name.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from settings import Settings, SettingsError, conflicts
from settings.schema import schema
from settings.stack import read_folder


def check(folder: Path) -> int:
    """Print one line per stack file, then its problems.

    Returns:
        Exit code: 1 when a file has problems or there is none.
    """
    files = read_folder(folder)
    if not files:
        print(f"no stack file (Pulumi.<stack>.yaml) in {folder.resolve()}")
        return 1
    errors = {name: error for name, error in files.items() if isinstance(error, SettingsError)}
    found = [*conflicts.find(each for each in files.values() if isinstance(each, Settings))]
    for source in dict.fromkeys(conflict.source for conflict in found):
        errors[source] = SettingsError(source, [each.problem for each in found if each.source == source])
    width = max(map(len, files))
    for name in files:
        print(f"{name:{width}}  {f'{len(errors[name].problems)} problem(s)' if name in errors else 'ok'}")
    for name in sorted(errors):
        print(f"\n{errors[name]}")
    return 1 if errors else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m settings", description="Check the stack files.")
    parser.add_argument("command", nargs="?", choices=("check", "schema"), default="check")
    if parser.parse_args().command == "check":
        return check(Path())
    print(json.dumps(schema(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
