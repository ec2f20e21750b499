"""The one error of the toolchain."""


class ToolchainError(Exception):
    """A tool cannot be had. The message says which, why, and what to do."""
