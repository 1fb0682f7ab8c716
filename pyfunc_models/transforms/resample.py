"""Resize and then crop, without computing what the crop throws away where that would not fit in memory."""

import math
from typing import Final, NamedTuple

from PIL import Image

from ..photos.reduced import Extent
from .resamplings.resampling import Resampling

Box = tuple[int, int, int, int]

# A photo of 1 x 65,535 pixels, its shorter edge made 256, would have 4,295 million and take 17 GB.
MAX_RESIZED_PIXELS: Final = 2**26


def resize_and_crop(
    image: Image.Image,
    size: tuple[int, int],
    box: Box,
    resampling: Resampling,
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
    if box == (0, 0, *size):
        return image if size == image.size else image.resize(size, resampling.pillow)
    if size[0] * size[1] > MAX_RESIZED_PIXELS:
        return _resize_shown(image, size, box, resampling, image.size)
    if size == image.size:
        return image.crop(box)
    if is_horizontal_first(image.size, size):
        return _resize_by_passes(image, size, box, resampling)
    return image.resize(size, resampling.pillow).crop(box)


def is_horizontal_first(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Whether Pillow resizes rows before columns; each of the two passes rounds to 8 bits, so the order shows.

    Source: ImagingResampleInner in Pillow 13's Resample.c. Older ones do it always.
    """
    return old[1] - new[1] <= max(0, 2 * (old[0] - new[0]))


def _resize_by_passes(
    image: Image.Image, size: tuple[int, int], box: Box, resampling: Resampling
) -> Image.Image:
    """Pillow's two passes one by one, each without what the crop throws away; its pixels to the bit.

    The rows that no shown row needs are left out of the first pass, and the columns that are not shown out of the
    second. Both passes keep the scale and the origin that they have for the whole photo.
    """
    left, top, right, bottom = box
    shown = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    rows = _needed((shown[1], shown[3]), image.height / size[1], image.height, resampling)
    band = image.crop((0, rows.first, image.width, rows.last))
    band = band.resize((size[0], band.height), resampling.pillow)
    columns = band.crop((shown[0], -rows.first, shown[2], image.height - rows.first))
    resized = columns.resize((columns.width, size[1]), resampling.pillow)
    return resized.crop((left - shown[0], top, right - shown[0], bottom))


def _resize_shown(
    image: Image.Image, size: tuple[int, int], box: Box, resampling: Resampling, extent: Extent
) -> Image.Image:
    """`box` of `image` resized to `size`, computed from the part of the photo that it needs."""
    left, top, right, bottom = box
    shown = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    x = _needed((shown[0], shown[2]), extent[0] / size[0], image.width, resampling)
    y = _needed((shown[1], shown[3]), extent[1] / size[1], image.height, resampling)
    part = image.crop((x.first, y.first, x.last, y.last))
    within = x.start - x.first, y.start - y.first, x.stop - x.first, y.stop - y.first
    resized = part.resize((shown[2] - shown[0], shown[3] - shown[1]), resampling.pillow, box=within)
    return resized.crop((left - shown[0], top - shown[1], right - shown[0], bottom - shown[1]))


class _Needed(NamedTuple):
    """Along one edge: the source pixels `first` to `last`, in which `start` to `stop` is what is shown."""

    first: int
    last: int
    start: float
    stop: float


def _needed(shown: tuple[int, int], scale: float, length: int, resampling: Resampling) -> _Needed:
    start, stop = shown
    # Beyond what is shown the filter takes in `reach` source pixels, times the scale when it shrinks; and one more.
    reach = math.ceil(max(3.0, resampling.reach + 1) * max(1.0, scale))
    first, last = math.floor(start * scale) - reach, math.ceil(stop * scale) + reach
    return _Needed(max(0, first), min(length, last), start * scale, min(stop * scale, length))
