"""What is to be said of a way to resample."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Resampling:
    """One filter: its name in a `Preprocess`, Pillow's number of it, and its curve.

    `reach`: how many source pixels to either side it takes in where it does not shrink. `curve`: distances in source
    pixels, none of them below 0, -> weights; in the order of Pillow's own sums and products, for the last bit counts.
    """

    name: str
    pillow: Image.Resampling
    reach: float
    curve: Callable[[Floats], Floats]
