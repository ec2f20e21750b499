"""What is wrong with an input: found before any call, all of it at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One broken rule."""

    rule: str
    """Identifies the rule, such as `cname-beside-data`."""
    where: str
    """The input property, or the record set (`www.ef-fr.dev. A`)."""
    reason: str
    """What is wrong, what was expected and what to do; it continues `where`."""


class RefusedError(ValueError):
    """A single name or value that breaks a rule.

    Args:
        rule: Identifies the rule.
        reason: What is wrong and what was expected.
    """

    def __init__(self, rule: str, reason: str) -> None:
        self.rule = rule
        self.reason = reason
        super().__init__(reason)

    def at(self, where: str) -> Refusal:
        """The refusal of what stands at `where`."""
        return Refusal(self.rule, where, self.reason)
