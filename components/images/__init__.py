"""The golden image: what every VM of the site is cloned from."""

from components.images.component import GoldenImage, GoldenImageArgs

__all__ = ["GoldenImage", "GoldenImageArgs"]
