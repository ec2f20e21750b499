"""What cannot be made again is protected: the engine then refuses to delete or replace it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from ci import nouns
from policy.rules import policy, values

STATEFUL: Final = frozenset(
    {
        nouns.VM,
        nouns.ZONE,
        nouns.NAMESPACE,
        "pulumi-python:dynamic/certificates:AcmeAccount",
        "kubernetes:core/v1:PersistentVolume",
        "kubernetes:core/v1:PersistentVolumeClaim",
    }
)


def unprotected(args: ResourceValidationArgs) -> Iterator[str]:
    """Things that hold state and that the next run may delete."""
    properties = values(args.props)
    noun = nouns.noun(args.resource_type, properties)
    stateful = (args.resource_type in STATEFUL and noun is not nouns.COPY) or noun is nouns.LONGHORN
    if stateful and not args.opts.protect:
        yield "holds state and is not protected: pass protect=settings.protection, which is true on real sites."
    if args.resource_type == nouns.VM and args.opts.protect and properties.get("protection") is not True:
        yield "is protected by the engine, and not by Proxmox VE itself: set protection=settings.protection."


POLICIES: Final = [policy("stateful-protected", "What holds state is protected.", unprotected)]
