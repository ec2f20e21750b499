"""Names say whose a thing is, on Proxmox VE above all, where sites may look alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from ci import nouns
from policy.rules import known, policy, values

_LOGICAL: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def misnamed(args: ResourceValidationArgs) -> Iterator[str]:
    """Names that break the platform's conventions."""
    # Default providers get theirs from the engine.
    if not args.resource_type.startswith("pulumi:") and not _LOGICAL.fullmatch(args.name):
        yield f"has the resource name {args.name!r}: lower case, digits, hyphens and dots only."
    site, name = args.urn.split(":")[2], values(args.props).get("name")
    if args.resource_type == nouns.VM and known(name) and not re.fullmatch(rf"{site}-[a-z0-9-]+-\d+", str(name)):
        yield f"is called {name!r} on Proxmox VE: {site}-<pool>-<number>, so that its site can be told."


POLICIES: Final = [policy("names", "Names follow the platform's conventions.", misnamed)]
