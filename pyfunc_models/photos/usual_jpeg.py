"""The usual JPEG by simplejpeg (libjpeg-turbo without Pillow around it): the pixels of `decode`, a little sooner.

Whatever else there is, and whatever is wrong with a photo, is left to `decode`, so that every row has the status that
it has by that way.
"""

import struct
from collections.abc import Callable
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from .decode import DEFAULT_MAX_PIXELS
from .formats import jpeg
from .formats.format import TooMuch

REQUIREMENT: Final = "simplejpeg"

# How libjpeg calls the colours that Pillow opens as RGB.
_COLOURS: Final = "YCbCr"


def library() -> ModuleType:
    """simplejpeg. Raises ImportError where this machine does not have it."""
    import simplejpeg

    module: ModuleType = simplejpeg
    return module


def pixels(
    content: bytes | None, takes: Callable[[int, int], bool] = lambda width, height: True
) -> npt.NDArray[np.uint8] | None:
    """A colour JPEG without a fault -> uint8 [H, W, 3]; None for everything else.

    None, too, before anything is decoded, where `takes` does not want a photo of this width and height. EXIF
    orientation is ignored. Photos of more than DEFAULT_MAX_PIXELS are None. Safe in threads. Raises ImportError as
    `library` does, and nothing else.
    """
    if content is None or not jpeg.FORMAT.begins(content):
        return None
    found = library()
    try:
        height, width, colours, _ = found.decode_jpeg_header(content)
        if colours != _COLOURS or width * height > DEFAULT_MAX_PIXELS or not takes(width, height):
            return None
        jpeg.check_pixels(content, width * height)
        decoded: npt.NDArray[np.uint8] = found.decode_jpeg(content, colorspace="RGB")
    # Also what libjpeg only warns of, or what takes too long: `decode` says it.
    except (ValueError, IndexError, struct.error, TooMuch, MemoryError):
        return None
    return decoded
