"""From a function that says what is wrong with a resource to a policy of the pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_policy import ReportViolation, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.deserialize import serialize_properties

from ci.nouns import UNKNOWN

Values = Mapping[str, Any]
Rule = Callable[[ResourceValidationArgs], Iterator[str]]


def policy(name: str, description: str, rule: Rule) -> ResourceValidationPolicy:
    """A policy that reports all that the rule says of a resource."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for problem in rule(args):
            report(problem, args.urn)

    return ResourceValidationPolicy(name=name, description=description, validate=validate)


def values(props: Any) -> Values:
    """Properties as plain values: what a preview does not know yet is one of `UNKNOWN`, where the SDK would give up."""
    plain: Values = serialize_properties(props)
    return plain


def known(value: Any) -> bool:
    """Whether a preview knows the value."""
    return not (isinstance(value, str) and value in UNKNOWN)


def section(value: Any, *path: str) -> Values:
    """A mapping inside of others; empty where it is not there or not known yet."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
