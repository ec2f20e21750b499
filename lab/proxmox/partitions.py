"""Partitions that the Debian installer makes of the answers: the disk's label, and the recipe of partman-auto.

A recipe is `name :: partition . partition .`, and a partition `minimum priority maximum filesystem` with options
`name{ value }`; those that begin with `$` are for partman-auto itself (partman-auto-recipe.txt of debian-installer).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

DISK_LABELS = {"gpt": "gpt", "msdos": "dos"}
"""Label as the installer names it -> as lsblk(8) does."""

Partition = Mapping[str, str]
"""Options of a partition."""


def disk_label(answers: Mapping[str, str]) -> str:
    """What the installer writes on an empty disk: with a BIOS, and up to 2 TiB, msdos unless told otherwise."""
    return answers.get("partman-partitioning/default_label", "msdos")


def problems(answers: Mapping[str, str]) -> Iterator[str]:
    """What the installer would stop at, or the lab does not model."""
    label = disk_label(answers)
    if label not in DISK_LABELS:
        yield f"partman-partitioning/default_label is {label!r}: the lab models {', '.join(DISK_LABELS)}"
    chosen = answers.get("partman-auto/choose_recipe", "atomic")
    recipe = answers.get("partman-auto/expert_recipe")
    if recipe is None:
        if chosen != "atomic":
            yield f"partman-auto/choose_recipe is {chosen!r}: the lab models `atomic` and expert recipes"
        return
    name, separator, body = recipe.partition("::")
    if not separator or not body.strip().endswith("."):
        yield "partman-auto/expert_recipe is not `name :: partition ... .`"
    elif name.strip() != chosen:
        yield f"partman-auto/choose_recipe is {chosen!r}, and the recipe is called {name.strip()!r}"
    else:
        yield from _layout_problems(list(_partitions(body, label)), label)


def _layout_problems(layout: list[Partition], label: str) -> Iterator[str]:
    if not any(partition.get("mountpoint") == "/" for partition in layout):
        yield "partman-auto/expert_recipe has no root file system"
    if label != "gpt":
        return
    if not any(partition.get("method") == "biosgrub" for partition in layout):
        # grub-install: "this GPT partition label contains no BIOS Boot Partition; embedding won't be possible".
        yield "grub-installer fails: partman-auto/expert_recipe has no partition of method{ biosgrub } for the GPT"
    if any("$bootable" in partition for partition in layout):
        # libparted: the flag `boot` of a GPT is the type EFI system partition.
        yield "partman-auto/expert_recipe: the lab models no EFI system partition, which $bootable{ } makes on a GPT"


def _partitions(body: str, label: str) -> Iterator[Partition]:
    """Those of a recipe that are made on a disk of this label."""
    for text in re.split(r"(?:^|\s)\.(?=\s|$)", body):
        options = dict(re.findall(r"(\S+)\{\s*(.*?)\s*\}", text))
        if text.strip() and options.get("$iflabel", label) == label:
            yield options
