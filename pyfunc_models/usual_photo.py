"""The usual photo, a colour JPEG without a fault: its exact pixels without Pillow, in half of the time.

libjpeg-turbo by simplejpeg, then Pillow's resize as `compiled_resample` does it. Whatever else there is, is left to
`decode` and `transform`; no row's pixels or status depend on which of the two it was.
"""

import logging
import threading

import numpy as np
import numpy.typing as npt

from . import compiled_resample, fast_decode
from .compiled_resample import COMPILER, Compiler
from .engines import EngineUnavailable
from .preprocess import RESAMPLING, Preprocess, resized_and_cropped

log = logging.getLogger(__name__)

_no_decoder = threading.Event()


def read(
    content: bytes | None, spec: Preprocess, compiler: Compiler = COMPILER
) -> npt.NDArray[np.uint8] | None:
    """Bytes of a photo -> uint8 [H, W, 3] of `spec.output_size`; None where it is left to Pillow.

    The first photos of a process are: until it is worth to compile. Safe in threads.
    """
    if spec.orientation != "ignore" or _no_decoder.is_set():
        return None
    passes = compiler.passes()
    if passes is None:
        return None
    try:
        pixels = fast_decode.pixels(content, lambda width, height: _takes((width, height), spec))
    except EngineUnavailable:
        _say_no_decoder()
        return None
    if pixels is None:
        return None
    height, width, _ = pixels.shape
    size, box = resized_and_cropped((width, height), spec)
    return compiled_resample.resize_and_crop(pixels, size, box, RESAMPLING[spec.interpolation], passes)


def _takes(size: tuple[int, int], spec: Preprocess) -> bool:
    return compiled_resample.takes(size, *resized_and_cropped(size, spec))


def _say_no_decoder() -> None:
    if not _no_decoder.is_set():
        _no_decoder.set()  # looking for it once more for each photo would cost more than it brings
        log.warning(
            f"Photos are decoded by Pillow, to the same pixels but more slowly: {fast_decode.REQUIREMENT} does not "
            f"import here. pip install {fast_decode.REQUIREMENT}, on every executor too."
        )
