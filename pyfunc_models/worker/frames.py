"""Where in a photo the pixels are that the graph gets, for kinds whose answers are places in the photo."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..engines import Images
from ..photos.reduced import REDUCED
from ..transforms.preprocess import Preprocess, resized_and_cropped
from ..transforms.usual_photo import Photo, size_of


class Frame(NamedTuple):
    """`(x + left) * scale_x` is the photo's x, and so for y; `width` and `height` are the photo's own."""

    left: float
    top: float
    scale_x: float
    scale_y: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Prepared pixels, uint8 [H, W, 3], and where they are."""

    pixels: Images
    frame: Frame


def frame_of(photo: Photo, spec: Preprocess) -> Frame:
    """Of a photo's prepared pixels; of a photo that was decoded reduced, in the whole of it."""
    size = size_of(photo)
    if not isinstance(photo, np.ndarray) and REDUCED in photo.info:
        size = photo.info[REDUCED][0]
    (width, height), (left, top, _, _) = resized_and_cropped(size, spec)
    return Frame(left, top, size[0] / width, size[1] / height, *size)
