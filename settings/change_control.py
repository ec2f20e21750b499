"""The section of a stack file that says how far one change may reach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.models import Model


class Limit(Model):
    """How much of one kind a single change may replace or delete; what exceeds either number is refused."""

    count: Annotated[int, Field(ge=0, le=1000)]
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Of those that there are."""


class ChangeControl(Model):
    """The brake on a whole preview. A merge request with the agreed label passes it (docs/change-control.md)."""

    machines: Limit = Limit(count=1, share=0.34)
    """Virtual machines."""
    zones: Limit = Limit(count=0)
    volumes: Limit = Limit(count=0)
    """Volume claims, StatefulSets, and Longhorn itself."""
