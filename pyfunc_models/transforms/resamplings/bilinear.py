"""Two pixels, by their distance. Source: bilinear_filter in Pillow 13's Resample.c."""

import numpy as np
from PIL import Image

from .resampling import Floats, Resampling


def _curve(x: Floats) -> Floats:
    return np.where(x < 1.0, 1.0 - x, 0.0)


RESAMPLING = Resampling("bilinear", Image.Resampling.BILINEAR, 1.0, _curve)
