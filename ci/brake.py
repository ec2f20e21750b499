"""The brake: a change that replaces or deletes more than the settings allow is refused.

It looks at a whole preview, where the engine's `protect` and the zone's own brake each look at one resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ci import nouns
from ci.changes import ChangeSet
from settings import ChangeControl, Limit

LABEL: Final = "blast-radius::accepted"
"""Of a merge request whose reviewers accept what the brake refuses."""
NAMED: Final = 10
"""Things that a refusal names."""


def totals(resources: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many of each kind that is limited a state holds, by key of `settings.ChangeControl`."""
    counts = dict.fromkeys(ChangeControl.model_fields, 0)
    for resource in resources:
        key = nouns.noun(resource["type"], resource.get("inputs") or {}).counted
        if key:
            counts[key] += 1
    return counts


def refusals(changes: ChangeSet, existing: Mapping[str, int], limits: ChangeControl) -> Iterator[str]:
    """What is refused, each with the things by their names and a way out.

    Args:
        changes: The preview.
        existing: How many there are, by key of `settings.ChangeControl`.
        limits: The site's.
    """
    for key in ChangeControl.model_fields:
        names = [f"{change.noun.word} {change.name}" for change in changes.losses if change.noun.counted == key]
        limit: Limit = getattr(limits, key)
        allowed = min(limit.count, int(limit.share * existing.get(key, 0)))
        if len(names) > allowed:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield (
                f"{changes.site}: {len(names)} of {existing.get(key, 0)} {key} would be replaced or deleted, and "
                f"changeControl.{key} allows {allowed}: {', '.join(names[:NAMED])}{more}. Make the change in smaller "
                f"steps, put the label {LABEL} on the merge request, or raise the limit in Pulumi.{changes.site}.yaml."
            )
