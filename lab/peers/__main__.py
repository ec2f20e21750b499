"""`python -m lab.peers`."""

import tempfile
from pathlib import Path

from lab.peers.compare import compare

with tempfile.TemporaryDirectory(prefix="oss-nextgen-peers-") as folder:
    compare(Path(folder))
