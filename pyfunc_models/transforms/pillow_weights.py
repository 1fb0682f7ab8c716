"""The whole numbers by which Pillow weighs source pixels when it resizes along one edge.

Source: precompute_coeffs and normalize_coeffs_8bpc in Pillow 13's Resample.c; each sum and product is taken in its
order, for the last bit decides a rounding.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .resamplings.resampling import Resampling

PRECISION_BITS: Final = 22
"""Weights are multiples of 2 to the minus this; a sum of weights times uint8 fits into int32."""


class Weights(NamedTuple):
    """For each pixel that is made: source pixels `first[i]` and on, times `weights[i]`.

    `first` int32 [N], which never falls; `weights` int32 [N, K], where K is the same for all: those that need fewer
    have zeros, at whichever end leaves all K within the source.
    """

    first: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]


@lru_cache(maxsize=1024)
def weights(old: int, new: int, shown: tuple[int, int], resampling: Resampling) -> Weights:
    """`old` pixels to `new`, of which those from `shown[0]` up to `shown[1]` are made. Read only, for it is kept."""
    scale = old / new
    stretch = max(scale, 1.0)
    reach = resampling.reach * stretch
    center = (np.arange(*shown) + 0.5) * scale
    start = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    stop = np.minimum((center + reach + 0.5).astype(np.int64), old)
    count = int((stop - start).max())
    first = np.minimum(start, old - count)
    at = first[:, None] + np.arange(count)
    real = resampling.curve(np.abs((at - center[:, None] + 0.5) * (1.0 / stretch)))
    real[(at < start[:, None]) | (at >= stop[:, None])] = 0.0
    total = np.add.accumulate(real, axis=1)[:, -1:]  # one by one, as Pillow adds them
    real = np.divide(real, total, out=real, where=total != 0)
    whole = np.trunc(real * (1 << PRECISION_BITS) + np.where(real < 0, -0.5, 0.5)).astype(np.int32)
    return Weights(first.astype(np.int32), np.ascontiguousarray(whole))
