"""What is fetched is pinned: the same program brings about the same site tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from ci import nouns
from policy.rules import known, policy, section, values

_EXACT: Final = re.compile(r"v?\d+(\.\d+)+([-+][\w.-]+)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def unpinned_charts(args: ResourceValidationArgs) -> Iterator[str]:
    """Releases of whatever version a repository has today."""
    version = values(args.props).get("version")
    if args.resource_type == nouns.RELEASE and known(version) and not _EXACT.fullmatch(str(version or "")):
        yield f"has the chart version {version!r}: give the exact one, such as 1.12.1 (settings: charts)."


def unpinned_downloads(args: ResourceValidationArgs) -> Iterator[str]:
    """Disk images and Kubespray, whatever is there today."""
    properties = values(args.props)
    if args.resource_type == "proxmoxve:download/file:File" and not properties.get("checksum"):
        yield "downloads a file of any content: give its checksum and checksum_algorithm."
    commit = section(properties, "kubespray").get("commit")
    if args.resource_type == nouns.CLUSTER and known(commit) and not _COMMIT.fullmatch(str(commit or "")):
        yield f"runs Kubespray from {commit!r}: give the full hash of a commit (kubernetes.kubespray.commit)."


POLICIES: Final = [
    policy("charts-pinned", "Helm charts have an exact version.", unpinned_charts),
    policy("downloads-pinned", "Downloads have a checksum or a commit.", unpinned_downloads),
]
