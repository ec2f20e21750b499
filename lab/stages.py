"""What the engine did and how long each stage took, from its event log as it is written.

The log goes through a pipe and is never stored: its debug messages hold secret outputs in clear.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path


class Stages:
    """Reads the event log of one run. Pass `path` to the engine, and leave the block when it has ended."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.fifo"
        self._times: dict[str, list[float]] = {}
        self._changed: dict[str, set[str]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Stages:
        self.path.unlink(missing_ok=True)
        os.mkfifo(self.path, 0o600)
        self._reader.start()
        # Held until the block is left: the reader ends then, even if the engine never opened the pipe.
        self._writer = os.open(self.path, os.O_WRONLY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        self._reader.join()
        self.path.unlink()

    def rows(self) -> list[tuple[str, int, float]]:
        """(component, resources changed, seconds) of each stage, in order of start.

        A stage is a top-level component of the program, from the first of its resources to the last; a
        resource of its own counts under its type.
        """
        return [(stage, len(self._changed[stage]), max(times) - min(times)) for stage, times in self._times.items()]

    def _read(self) -> None:
        with self.path.open() as events:
            for line in events:
                if not line.endswith("\n"):
                    return  # the engine was killed while it wrote
                event = json.loads(line)
                for kind in ("resourcePreEvent", "resOutputsEvent"):
                    metadata = event.get(kind, {}).get("metadata", {})
                    if metadata.get("op", "same") not in ("same", "read"):
                        self._note(metadata["urn"])

    def _note(self, urn: str) -> None:
        types = urn.split("::")[2].split("$")
        if types[-1].startswith(("oss-nextgen:", "pulumi:")):
            return  # components, providers and the stack take no time of their own
        stage = types[0].rpartition(":")[2]
        self._times.setdefault(stage, []).append(time.monotonic())
        self._changed.setdefault(stage, set()).add(urn)
