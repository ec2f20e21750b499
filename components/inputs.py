"""The inputs of a dynamic resource, as its provider is given them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
    """Names of the inputs that differ from what the state has, but for the SDK's own (`__provider`)."""
    return {key for key, value in news.items() if not key.startswith("__") and olds.get(key) != value}
