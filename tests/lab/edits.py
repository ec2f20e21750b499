"""What is edited in the clone of a small site that is up, and what the note says of it."""

from __future__ import annotations

from typing import Any

SITE = "toulouse"
ZONE = "toulouse.ef-fr.dev"
Values = dict[str, Any]


def grown(values: Values) -> None:
    values["pools"][1]["count"] = 3


def shrunk(values: Values) -> None:
    values["pools"][1]["count"] = 1


def published(values: Values) -> None:
    wiki = {"name": "wiki", "host": f"wiki.{ZONE}", "address": "10.31.10.9", "port": 8006, "verify": False}
    values["externalServices"] = [wiki]


def renumbered(values: Values) -> None:
    values["pools"][1]["vmIdOffset"] = 301


def readdressed(values: Values) -> None:
    values["kubernetes"]["podCidr"] = "10.200.0.0/18"


BUMP = [
    ("settings/services.py", 'version="2.1.0"', 'version="2.1.1"'),
    ("lab/charts/homepage/Chart.yaml", "version: 2.1.0", "version: 2.1.1"),
]
FRESH = """
import pulumi_random
made = pulumi_random.RandomPassword("leak", length=24, special=False)
made.result.apply(lambda text: pulumi.log.warn(f"made {text}"))
"""
LEAK = [
    ("__main__.py", "# Nor is", "api_token.apply(lambda token: pulumi.log.warn(f'logged in as {token}'))\n# Nor is")
]

NOTES: dict[str, tuple[Any, Any, str, list[str], list[str]]] = {
    "nothing": (
        None,
        None,
        f"| {SITE} | - | - | - | - |",
        [f"<summary>{SITE}: no changes</summary>"],
        ["State is lost"],
    ),
    "a VM added": (
        grown,
        None,
        f"| {SITE} | 3 | 4 | - | - |",
        ["`create VM toulouse-workers-3`", "`runs scale.yml: + toulouse-workers-3`", "+ cpu.cores: 4"],
        ["State is lost"],
    ),
    "a node removed": (
        shrunk,
        None,
        f"| {SITE} | - | 3 | - | 3 |",
        [
            f"**⚠️ State is lost**\n\n- `{SITE}: delete VM toulouse-workers-2: its disks are lost`",
            "`update cluster toulouse` `runs remove-node.yml: - toulouse-workers-2`",
            "- values.persistence.defaultClassReplicaCount: 2\n+ values.persistence.defaultClassReplicaCount: 1",
        ],
        ["The brake"],
    ),
    "a record changed": (
        published,
        None,
        f"| {SITE} | 5 | 1 | - | - |",
        [f"`update zone {ZONE}`\n```diff\n+ wiki.{ZONE}. A: 3600 ", "+ stringData: [secret]"],
        [f"ns1.{ZONE}. A", "recordSets"],
    ),
    "a chart bumped": (
        None,
        BUMP,
        f"| {SITE} | - | 1 | - | - |",
        ["`update release homepage`\n```diff\n- version: 2.1.0\n+ version: 2.1.1\n```"],
        [],
    ),
    "an override of Kubespray's changed": (
        None,
        [("kubespray/group_vars/all.yml", "metrics_server_enabled: true", "metrics_server_enabled: false")],
        f"| {SITE} | - | 1 | - | - |",
        ["`update cluster toulouse` `runs cluster.yml: group_vars "],
        ["groupVars"],
    ),
    "a secret that a program prints": (None, LEAK, f"| {SITE} | - | - | - | - |", ["logged in as [secret]"], []),
    "a replacement": (
        renumbered,
        None,
        f"| {SITE} | - | 3 | 6 | - |",
        [
            f"- `{SITE}: replace VM toulouse-workers-1: its disks are lost`",
            "⚠️ `replace VM toulouse-workers-1, forced by vmId`",
            "- vmId: 3201\n+ vmId: 3301",
            "**⛔ The brake refuses this**",
            "2 of 3 machines would be replaced or deleted, and changeControl.machines allows 1",
        ],
        [],
    ),
}
"""What is done -> settings, files, the site's row, what the note says, and what it does not."""
