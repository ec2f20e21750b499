"""Rules of the golden image (see `settings.rules`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

from settings.problems import Problem

if TYPE_CHECKING:
    from settings.models import Image

KEYS = {
    "packer": {"iso", "mirror", "http_address", "disk_gib"},
    "cloud-image": {"cloud_image", "disk_gib"},
    "existing": {"template", "disk_gib"},
}
"""`image.source` -> the keys that it reads, beside `keep`."""


def image_source(image: Image) -> Iterator[Problem]:
    """What the source has no default for is there."""
    if image.source == "cloud-image" and image.cloud_image is None:
        expected = "needs image.cloudImage, the url and sha256 of a disk image"
        yield Problem.at("image.source", image.source, "no-cloud-image", expected)
    if image.source == "existing" and image.template is None:
        expected = "needs image.template, the name of a template in the cluster"
        yield Problem.at("image.source", image.source, "no-template", expected)


def image_keys(image: Image) -> Iterator[Problem]:
    """A key that nothing reads is a mistake."""
    for name in sorted(image.model_fields_set - KEYS[image.source] - {"source", "keep"}):
        sources = " or ".join(source for source, keys in KEYS.items() if name in keys)
        expected = f"is for source {sources}, and image.source is {image.source}: remove it"
        value = getattr(image, name)
        yield Problem.at(
            f"image.{to_camel(name)}", {} if name in ("iso", "cloud_image") else value, "idle-key", expected
        )


def kept_images(site: str, image: Image) -> Iterator[Problem]:
    """An entry that is taken out is removed from Proxmox VE: never something that others made."""
    for index, name in enumerate(image.keep):
        path = f"image.keep[{index}]"
        if not is_own_image(site, name):
            expected = f"must be a template that this program made, {site}-debian-12-<hash>; others stay anyway"
            yield Problem.at(path, name, "kept-foreign-image", expected)
        elif name in image.keep[:index]:
            yield Problem.at(path, name, "duplicate-keep", f"is already image.keep[{image.keep.index(name)}]")


def is_own_image(site: str, name: str) -> bool:
    """Whether a template bears a name that the program gives (`components.images.recipe`)."""
    return re.fullmatch(rf"{re.escape(site)}-debian-12-[0-9a-f]{{12}}", name) is not None
