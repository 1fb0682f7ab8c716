"""Resize and then crop, without computing what the crop throws away where that would not fit in memory."""

import math
from typing import Final, NamedTuple

from PIL import Image

Box = tuple[int, int, int, int]
Extent = tuple[float, float]

REDUCED: Final = "stagewright.reduced"
"""The key of `Image.info` under which `decode` leaves the `Reduced` of a photo that it decoded at a smaller scale."""


class Reduced(NamedTuple):
    """`full` is (width, height) of the photo, `extent` where it ends: within the last column and row of the image."""

    full: tuple[int, int]
    extent: Extent


# A photo of 1 x 65,535 pixels, its shorter edge made 256, would have 4,295 million and take 17 GB.
MAX_RESIZED_PIXELS: Final = 2**26


def resize_and_crop(
    image: Image.Image,
    size: tuple[int, int],
    box: Box,
    resampling: Image.Resampling,
    extent: Extent | None = None,
) -> Image.Image:
    """`image` resized to `size`, (width, height), then cropped to `box`; black where `box` reaches beyond it.

    To the bit what `resize` and `crop` of Pillow give. Beyond MAX_RESIZED_PIXELS, and with an `extent` (width, height)
    at which the photo ends within the image, only the box is computed,
    which may be 1 of 255 off, and more where bicubic overshoots: Pillow keeps the box as 32-bit floats, and
    which of its two passes comes first depends on the sizes.
    """
    if extent is not None:
        return _resize_shown(image, size, box, resampling, extent)
    is_cropped = box != (0, 0, *size)
    if is_cropped and size[0] * size[1] > MAX_RESIZED_PIXELS:
        return _resize_shown(image, size, box, resampling, image.size)
    if size != image.size:
        image = image.resize(size, resampling)
    return image.crop(box) if is_cropped else image


def _resize_shown(
    image: Image.Image, size: tuple[int, int], box: Box, resampling: Image.Resampling, extent: Extent
) -> Image.Image:
    """`box` of `image` resized to `size`, computed from the part of the photo that it needs."""
    left, top, right, bottom = box
    shown = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    x = _needed(shown[0], shown[2], extent[0] / size[0], image.width)
    y = _needed(shown[1], shown[3], extent[1] / size[1], image.height)
    part = image.crop((x.first, y.first, x.last, y.last))
    within = x.start - x.first, y.start - y.first, x.stop - x.first, y.stop - y.first
    resized = part.resize((shown[2] - shown[0], shown[3] - shown[1]), resampling, box=within)
    return resized.crop((left - shown[0], top - shown[1], right - shown[0], bottom - shown[1]))


class _Needed(NamedTuple):
    """Along one edge: the source pixels `first` to `last`, in which `start` to `stop` is what is shown."""

    first: int
    last: int
    start: float
    stop: float


def _needed(start: int, stop: int, scale: float, length: int) -> _Needed:
    # Bicubic reaches 2 source pixels beyond what is shown, times the scale when it shrinks.
    reach = math.ceil(3 * max(1.0, scale))
    first, last = math.floor(start * scale) - reach, math.ceil(stop * scale) + reach
    return _Needed(max(0, first), min(length, last), start * scale, min(stop * scale, length))
