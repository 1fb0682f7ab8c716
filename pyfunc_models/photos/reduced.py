"""How a photo that was decoded at a smaller scale says so to whoever resizes it."""

from typing import Final, NamedTuple

Extent = tuple[float, float]

REDUCED: Final = "stagewright.reduced"
"""The key of `Image.info` under which `decode` leaves the `Reduced` of a photo that it decoded at a smaller scale."""


class Reduced(NamedTuple):
    """`full` is (width, height) of the photo, `extent` where it ends: within the last column and row of the image."""

    full: tuple[int, int]
    extent: Extent
