"""Dynamic provider of the administrator's kubeconfig as it was last made.

A preview knows no output of a cluster that a playbook is about to change, and all that is on the cluster would
seem to change with its kubeconfig. That one is another only after `cluster.yml` and `upgrade-cluster.yml`, which bring
a younger certificate of the administrator back, and of the same cluster; so a preview goes by the last.
"""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, UpdateResult
from pulumi.output import contains_unknowns
from pulumi.runtime import rpc

from components.dynamic import Provider


class KnownKubeconfigProvider(Provider):
    """Keeps one text in the state. The id is the site's name."""

    INPUTS = ("site", "content")

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Take the last content for one that only the run will know."""
        if olds and contains_unknowns(news["content"]):
            # An unknown input has lost its mark as a secret on the way here.
            marked = {rpc._special_sig_key: rpc._special_secret_sig, "value": olds["content"]}
            news = {**news, "content": marked}
        return CheckResult(news, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["site"], self.inputs(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self.inputs(news))
