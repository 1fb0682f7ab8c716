"""Four pixels, by Keys' cubic with a = -0.5. Source: bicubic_filter in Pillow 13's Resample.c."""

import numpy as np
from PIL import Image

from .resampling import Floats, Resampling

_A = -0.5


def _curve(x: Floats) -> Floats:
    near = ((_A + 2.0) * x - (_A + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * _A
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


RESAMPLING = Resampling("bicubic", Image.Resampling.BICUBIC, 2.0, _curve)
