"""Dynamic provider of what is attempted: it writes down who joins a cluster, and by which versions, before a playbook
runs.

The engine saves nothing of a cluster whose run has failed or was killed, though machines may have joined or been
upgraded by then. Without this, pools that are taken back after it would lose those machines undrained, and versions
that are taken back would seem to be no change.
"""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, UpdateResult

from components.dynamic import Provider
from components.kubernetes.members import identity


class AttemptedMembersProvider(Provider):
    """Keeps in the state who was to join in which attempt. The id is the site's name.

    The cluster remembers the last attempt that succeeded: what came later may have joined. Who leaves is no news
    here and changes nothing, nor does a version that was there before; so a preview in which they are taken back knows
    what was attempted; only the inputs are recorded, as the engine does in any case.
    """

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Number those that were not wanted before, and add versions that were not."""
        attempted = olds.get("attempted", [])
        known = {identity(node) for node in olds.get("nodes", ())}
        joining = [node for node in news["nodes"] if identity(node) not in known]
        if joining:
            number = 1 + max((node["attempt"] for node in attempted), default=0)
            again = {identity(node) for node in joining}
            attempted = [
                *(node for node in attempted if identity(node) not in again),
                *({**node, "attempt": number} for node in joining),
            ]
        versions, begun = {key: news[key] for key in ("kubespray", "version")}, olds.get("begun", [])
        begun = begun if versions in begun else [*begun, versions]
        return CheckResult({**news, "attempted": attempted, "begun": begun}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["site"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(key) != news[key] for key in ("attempted", "begun")))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(news)
