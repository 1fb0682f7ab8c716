"""Pillow's resize and crop, compiled for this processor by numba: the pixels of `resample` to the bit, several times
as fast.

Pillow works pixel by pixel. Here both passes run along rows of bytes, many at a time by the processor's vector
instructions; for the horizontal pass strips of the photo are turned on their side and back, which costs less than it
saves. Whole numbers leave no room for another result, and what is compiled is tried against Pillow before it is used.
"""

import logging
import threading
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from . import resample
from .pillow_weights import PRECISION_BITS, Weights, weights
from .resample import MAX_RESIZED_PIXELS, Box
from .resamplings import RESAMPLINGS
from .resamplings.resampling import Resampling

REQUIREMENT: Final = "numba"
WORTH_COMPILING: Final = 16
"""Photos that a process leaves to Pillow first: compiling takes a second or two, and a job may have just these."""

Pixels = npt.NDArray[np.uint8]
Pair = tuple[int, int]

log = logging.getLogger(__name__)

# Rows of a strip that is turned at once: at 500 pixels a row it stays in a core's own cache.
_STRIP: Final = 128
# An older Pillow resizes rows before columns whatever the sizes.
_KNOWS_BOTH_ORDERS: Final = int(PIL.__version__.partition(".")[0]) >= 13


class Pass(Protocol):
    """One of the two passes of a resize: uint8 [R, W, 3], of which `given` is the index of the first row."""

    def __call__(self, pixels: Pixels, along: Weights, given: int = 0) -> Pixels:
        """The pixels that `along` makes, along the one edge."""


class Passes(NamedTuple):
    """`horizontal` makes uint8 [R, N, 3] of [R, W, 3], `vertical` [N, W, 3] of [R, W, 3]."""

    horizontal: Pass
    vertical: Pass


class Compiler:
    """Compiles once for each process, when enough photos have asked. Safe in threads."""

    def __init__(self, worth: int = WORTH_COMPILING) -> None:
        self._asked = 0
        self._worth = worth
        self._lock = threading.Lock()
        self._passes: Passes | None = None
        self._done = False

    def passes(self) -> Passes | None:
        """None before it is worth it, while another thread compiles, and for good where it cannot be had."""
        if self._done:
            return self._passes
        self._asked += 1
        if self._asked <= self._worth or not self._lock.acquire(blocking=False):
            return None
        try:
            if not self._done:
                self._passes = _compiled_and_checked()
                self._done = True
        finally:
            self._lock.release()
        return self._passes

    @property
    def compiled(self) -> Passes | None:
        """What `passes` gave last, without asking for it."""
        return self._passes


COMPILER: Final = Compiler()


def takes(old: Pair, new: Pair, box: Box) -> bool:
    """Whether a photo of `old`, (width, height), can be resized to `new` and cropped to `box` here.

    Not where the box reaches beyond it, nor beyond MAX_RESIZED_PIXELS.
    """
    left, top, right, bottom = box
    inside = 0 <= left < right <= new[0] and 0 <= top < bottom <= new[1]
    known = _KNOWS_BOTH_ORDERS or resample.is_horizontal_first(old, new)
    return inside and known and new[0] * new[1] <= MAX_RESIZED_PIXELS


def resize_and_crop(pixels: Pixels, size: Pair, box: Box, resampling: Resampling, passes: Passes) -> Pixels:
    """uint8 [H, W, 3], C-contiguous, resized to `size`, (width, height), then cropped to `box`.

    To the bit what `resample.resize_and_crop` gives, for what `takes` allows. Safe in threads; the GIL is released.
    """
    height, width, _ = pixels.shape
    columns = weights(width, size[0], (box[0], box[2]), resampling)
    rows = weights(height, size[1], (box[1], box[3]), resampling)
    if not resample.is_horizontal_first((width, height), size):
        return passes.horizontal(passes.vertical(pixels, rows), columns)
    first, last = int(rows.first[0]), int(rows.first[-1]) + rows.weights.shape[1]
    return passes.vertical(passes.horizontal(pixels[first:last], columns), rows, first)


def _compiled_and_checked() -> Passes | None:
    """None, and the log says why, where it cannot be had: Pillow then does it all."""
    try:
        passes = _compiled()
        if _are_pillows(passes):
            return passes
        reason = f"version {PIL.__version__} of it reckons in another way"
    except ImportError as error:
        reason = (
            f"{REQUIREMENT} does not import here: {error}. pip install {REQUIREMENT}, on every executor too"
        )
    # Whatever a compiler may have against this machine, photos are read without it.
    except Exception as error:
        reason = f"{REQUIREMENT} does not compile here: {error!r}"
    log.warning(f"Photos are resized by Pillow, to the same pixels but several times as slowly: {reason}.")
    return None


def _compiled() -> Passes:
    from numba import config, njit

    if getattr(config, "DISABLE_JIT", False):
        raise ImportError("NUMBA_DISABLE_JIT is set")
    turn = njit("void(u1[:,:,::1], i8, u1[:,:,::1])", nogil=True)(_turn)
    weigh = njit("void(u1[:,::1], i8, i4[::1], i4[:,::1], u1[:,::1])", nogil=True)(_weigh)

    def vertical(pixels: Pixels, along: Weights, given: int = 0) -> Pixels:
        made = np.empty((len(along.first), *pixels.shape[1:]), np.uint8)
        weigh(_flat(pixels), given, along.first, along.weights, _flat(made))
        return made

    def horizontal(pixels: Pixels, along: Weights, given: int = 0) -> Pixels:
        left, right = int(along.first[0]), int(along.first[-1]) + along.weights.shape[1]
        made = np.empty((len(pixels), len(along.first), 3), np.uint8)
        for start in range(0, len(pixels), _STRIP):
            strip = pixels[start : start + _STRIP]
            sideways = np.empty((right - left, len(strip), 3), np.uint8)
            turn(strip, left, sideways)
            turn(vertical(sideways, along, left), 0, made[start : start + _STRIP])
        return made

    return Passes(horizontal, vertical)


def _flat(pixels: Pixels) -> Pixels:
    return pixels.reshape(len(pixels), -1)


def _are_pillows(passes: Passes) -> bool:
    """Whether the pixels are those of the Pillow that is installed here."""
    noise = np.random.default_rng(0).integers(0, 256, (83, 97, 3), dtype=np.uint8)
    # One in each order of the passes.
    shrunk, taller = ((60, 41), (3, 4, 56, 35)), ((101, 60), (0, 9, 99, 60))
    return all(
        np.array_equal(
            resize_and_crop(noise, size, box, resampling, passes),
            np.asarray(resample.resize_and_crop(Image.fromarray(noise), size, box, resampling)),
        )
        for resampling in RESAMPLINGS
        for size, box in (shrunk, taller)
        if takes((97, 83), size, box)
    )


def _turn(pixels: Any, left: Any, made: Any) -> None:
    """uint8 [R, W, 3] -> uint8 [C, R, 3]: columns `left` to `left + C` as rows."""
    source, target = pixels.reshape(-1), made.reshape(-1)
    one, three, eight = np.uint64(1), np.uint64(3), np.uint64(8)  # no sign: no index counts from the end
    rows, columns = np.uint64(made.shape[1]), np.uint64(made.shape[0])
    row_bytes = np.uint64(pixels.shape[1]) * three
    start = np.uint64(0)
    while start < rows:
        # Eight rows at a time: their lines of memory are still at hand when the next column comes.
        stop = min(start + eight, rows)
        for column in range(columns):
            at = start * row_bytes + (np.uint64(left) + column) * three
            to = (column * rows + start) * three
            for _ in range(start, stop):
                target[to] = source[at]
                target[to + one] = source[at + one]
                target[to + one + one] = source[at + one + one]
                at += row_bytes
                to += three
        start = stop


def _weigh(source: Any, offset: Any, first: Any, weights: Any, made: Any) -> None:
    """uint8 [S, M] -> uint8 [N, M]: weighted sums of whole rows, of which the source has those from `offset` on."""
    length = made.shape[1]
    sums = np.empty(length, np.int32)
    for row in range(made.shape[0]):
        sums[:] = 1 << (PRECISION_BITS - 1)
        for k in range(weights.shape[1]):
            weight, given = weights[row, k], source[first[row] - offset + k]
            for i in range(length):
                sums[i] += np.int32(given[i]) * weight
        for i in range(length):
            made[row, i] = min(max(sums[i] >> PRECISION_BITS, 0), 255)
