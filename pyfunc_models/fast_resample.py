"""Resize and crop in one, by the SIMD code of cykooz_resizer (Rust's fast_image_resize); pixels may differ.

The filters are Pillow's, and so is where they stand; only the vertical pass comes first, and each of the two rounds to
8 bits. It reads Pillow's own memory, copies nothing and releases the GIL.
"""

from types import ModuleType
from typing import Final

from PIL import Image

from . import resample
from .engines import EngineUnavailable
from .resample import Box, Extent

REQUIREMENT: Final = "cykooz-resizer"

# Pillow's bicubic has a = -0.5, which is Catmull and Rom's.
_FILTERS: Final = {Image.Resampling.BILINEAR: "bilinear", Image.Resampling.BICUBIC: "catmull_rom"}


def library() -> ModuleType:
    """cykooz_resizer. Raises EngineUnavailable where this machine does not have it."""
    try:
        import cykooz_resizer
    except ImportError as error:
        raise EngineUnavailable(
            f"The transform 'fast' takes {REQUIREMENT}, which does not import here: {error}. "
            f"pip install '{REQUIREMENT}>=4,<5', on every executor too, or leave the transform 'exact'."
        ) from error
    module: ModuleType = cykooz_resizer
    return module


def resize_and_crop(
    image: Image.Image,
    size: tuple[int, int],
    box: Box,
    resampling: Image.Resampling,
    extent: Extent | None = None,
) -> Image.Image:
    """RGB `image` resized to `size`, (width, height), then cropped to `box`; black where `box` reaches beyond it.

    The photo ends at `extent`, (width, height) within the image. Only what is shown is computed, from the part of the
    photo that it needs; a photo that does not shrink in both directions gets the pixels of `resample`, from Pillow.
    Safe in threads. Raises EngineUnavailable as `library` does.
    """
    width, height = extent or image.size
    # Where cykooz_resizer 4.0.1 enlarges a part of a photo by its bicubic filter it may read memory that is not the
    # photo's: of 30 x 11 made 70 x 26, the middle 35 x 1. It never did so on 120,000 random parts of what shrinks.
    if size[0] >= width or size[1] >= height:
        return resample.resize_and_crop(image, size, box, resampling, extent)
    left, top, right, bottom = box
    shown = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    scale = width / size[0], height / size[1]
    resized = _resize(image, scale, shown, resampling)
    if shown == box:
        return resized
    return resized.crop((left - shown[0], top - shown[1], right - shown[0], bottom - shown[1]))


def _resize(
    image: Image.Image, scale: tuple[float, float], shown: Box, resampling: Image.Resampling
) -> Image.Image:
    resizer = library()
    x, width = _edge(shown[0], shown[2], scale[0], image.width)
    y, height = _edge(shown[1], shown[3], scale[1], image.height)
    resized = Image.new("RGB", (shown[2] - shown[0], shown[3] - shown[1]))
    options = resizer.ResizeOptions(
        resize_alg=resizer.ResizeAlg.convolution(getattr(resizer.FilterType, _FILTERS[resampling])),
        crop_box=resizer.CropBox(x, y, width, height),
    )
    # A resizer keeps its buffers, and threads must not share them.
    resizer.Resizer().resize_pil(image, resized, options)
    return resized


def _edge(start: int, stop: int, scale: float, length: int) -> tuple[float, float]:
    """Where what is shown begins in the photo, and how far it reaches: never beyond its end, by rounding."""
    first = start * scale
    return first, min((stop - start) * scale, length - first)
