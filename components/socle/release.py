"""Helm releases: a pinned chart, a values file, and the few values that only the program knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from settings import Chart

FOLDER = Path(__file__).resolve().parents[2] / "helm"
TIMEOUT = 900
"""Seconds. Images come over the site's own line, and Authentik migrates its database at first start."""

Values = Mapping[str, Any]
"""Values of a chart; inputs that are known later, secrets among them, may stand at any leaf."""


def release(
    name: str,
    chart: Chart,
    namespace: pulumi.Input[str],
    values: Values,
    opts: pulumi.ResourceOptions,
) -> Release:
    """Install a chart as the release of the same name, and wait until it is ready.

    Args:
        name: Of the chart, the release and the values file.
        chart: Where the chart comes from.
        namespace: It exists already.
        values: They win over the file's.
        opts: Of the resource.

    Returns:
        The release. What waits for it waits for its id: the preview of an update knows that, and not its status.
    """
    return Release(
        name,
        name=name,
        chart=name,
        version=chart.version,
        repository_opts=RepositoryOptsArgs(repo=chart.repository),
        namespace=namespace,
        create_namespace=False,
        timeout=TIMEOUT,
        values=merged(file_values(name), values),
        opts=opts,
    )


def file_values(name: str) -> dict[str, Any]:
    """The values file of a release."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def merged(base: Values, over: Values) -> dict[str, Any]:
    """Both, as Helm merges them: mappings key by key, anything else as a whole; `over` wins."""
    both = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], Mapping) and isinstance(over[key], Mapping):
            both[key] = merged(base[key], over[key])
    return both
