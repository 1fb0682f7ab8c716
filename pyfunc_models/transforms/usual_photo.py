"""The usual photo, a colour JPEG without a fault: its exact pixels without Pillow, in half of the time.

libjpeg-turbo by simplejpeg, then Pillow's resize as `compiled_resample` does it. Whatever else there is, is left to
Pillow; no row's pixels or status depend on which of the two it was.
"""

import logging
import threading

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..photos import usual_jpeg
from ..photos.decode import DEFAULT_MAX_PIXELS
from . import compiled_resample, preprocess
from .compiled_resample import COMPILER, Compiler
from .preprocess import Preprocess, resized_and_cropped

Pixels = npt.NDArray[np.uint8]
Photo = Image.Image | Pixels
"""A decoded RGB photo: Pillow's, or uint8 [H, W, 3]."""

log = logging.getLogger(__name__)

_no_decoder = threading.Event()


def decode(
    content: bytes | None, compiler: Compiler = COMPILER, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Pixels | None:
    """Bytes of a photo -> uint8 [H, W, 3]; None where it is left to Pillow, as one of more than `max_pixels` is.

    The first photos of a process are: until it is worth to compile. Safe in threads.
    """
    if _no_decoder.is_set() or compiler.passes() is None:
        return None
    try:
        return usual_jpeg.pixels(content, lambda width, height: width * height <= max_pixels)
    except ImportError:
        _say_no_decoder()
        return None


def transform(photo: Photo, spec: Preprocess, compiler: Compiler = COMPILER) -> Pixels:
    """RGB photo -> uint8 [H, W, 3] of `spec.output_size`, by `preprocess.transform` or to the bit as that does it."""
    if isinstance(photo, Image.Image):
        return preprocess.transform(photo, spec)
    height, width, _ = photo.shape
    size, box = resized_and_cropped((width, height), spec)
    passes = compiler.compiled
    if passes is None or not compiled_resample.takes((width, height), size, box):
        return preprocess.transform(as_image(photo), spec)
    return compiled_resample.resize_and_crop(photo, size, box, spec.resampling, passes)


def as_image(photo: Photo) -> Image.Image:
    """As Pillow has it."""
    if isinstance(photo, Image.Image):
        return photo
    height, width, _ = photo.shape
    return Image.frombuffer("RGB", (width, height), photo, "raw", "RGB", 0, 1)


def size_of(photo: Photo) -> tuple[int, int]:
    """(width, height)."""
    return photo.size if isinstance(photo, Image.Image) else (photo.shape[1], photo.shape[0])


def _say_no_decoder() -> None:
    if not _no_decoder.is_set():
        _no_decoder.set()  # looking for it once more for each photo would cost more than it brings
        log.warning(
            f"Photos are decoded by Pillow, to the same pixels but more slowly: {usual_jpeg.REQUIREMENT} does not "
            f"import here. pip install {usual_jpeg.REQUIREMENT}, on every executor too."
        )
