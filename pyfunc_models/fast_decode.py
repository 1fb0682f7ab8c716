"""JPEGs by simplejpeg (libjpeg-turbo without Pillow around it): the pixels of `decode`, in nine tenths of its time.

It decodes the usual photo only. Whatever else there is, and whatever is wrong with a photo, is left to `decode`, so
that every row has the status that it has by the exact way.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from .decode import DEFAULT_MAX_PIXELS
from .engines import EngineUnavailable

REQUIREMENT: Final = "simplejpeg"

_START_OF_JPEG: Final = b"\xff\xd8\xff"
# How libjpeg calls the colours that Pillow opens as RGB.
_COLOURS: Final = "YCbCr"


def library() -> ModuleType:
    """simplejpeg. Raises EngineUnavailable where this machine does not have it."""
    try:
        import simplejpeg
    except ImportError as error:
        raise EngineUnavailable(
            f"The transform 'fast' takes {REQUIREMENT}, which does not import here: {error}. "
            f"pip install '{REQUIREMENT}>=1.8,<2', on every executor too, or leave the transform 'exact'."
        ) from error
    module: ModuleType = simplejpeg
    return module


def decode(content: bytes | None) -> Image.Image | None:
    """A colour JPEG without a fault -> loaded image of mode RGB; None for everything else, never an exception.

    As `pixels` does.
    """
    found = pixels(content)
    if found is None:
        return None
    height, width, _ = found.shape
    return Image.frombuffer("RGB", (width, height), found, "raw", "RGB", 0, 1)


def pixels(
    content: bytes | None, takes: Callable[[int, int], bool] = lambda width, height: True
) -> npt.NDArray[np.uint8] | None:
    """A colour JPEG without a fault -> uint8 [H, W, 3]; None for everything else, never an exception.

    None, too, before anything is decoded, where `takes` does not want a photo of this width and height. EXIF
    orientation is ignored. Photos of more than DEFAULT_MAX_PIXELS are None. Safe in threads. Raises EngineUnavailable
    as `library` does.
    """
    if content is None or not content.startswith(_START_OF_JPEG):
        return None
    jpeg = library()
    try:
        height, width, colours, _ = jpeg.decode_jpeg_header(content)
        if colours != _COLOURS or width * height > DEFAULT_MAX_PIXELS or not takes(width, height):
            return None
        found: npt.NDArray[np.uint8] = jpeg.decode_jpeg(content, colorspace="RGB")
    except ValueError:  # also what libjpeg only warns of: `decode` knows whether Pillow minds
        return None
    return found
