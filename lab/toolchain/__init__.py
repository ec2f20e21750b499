"""The lab's tools: taken from the PATH, downloaded from their makers, or built from their Go modules.

`tools.py` says what is wanted and where it comes from; `Toolchain` gets it.
"""

from lab.toolchain.errors import ToolchainError
from lab.toolchain.resolve import Toolchain
from lab.toolchain.stamp import ResolvedTool

__all__ = ["ResolvedTool", "Toolchain", "ToolchainError"]
