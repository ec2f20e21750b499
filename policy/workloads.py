"""What pods keep to (`policy.pods`), of every workload that the program declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from ci.nouns import UNKNOWN
from policy import pods
from policy.rules import policy, section, values


def out_of_bounds(args: ResourceValidationArgs) -> Iterator[str]:
    """Pods that break a rule, as far as a preview knows them."""
    module, _, kind = args.resource_type.rpartition(":")
    properties = values(args.props)
    if not module.startswith("kubernetes:") or not section(properties, "metadata"):
        return
    for problem in pods.problems_of({**properties, "kind": kind}):
        if not any(token in problem.text for token in UNKNOWN):
            yield f"{problem}."


POLICIES: Final = [policy("pods-in-bounds", "Pods keep to what the platform demands of them.", out_of_bounds)]
