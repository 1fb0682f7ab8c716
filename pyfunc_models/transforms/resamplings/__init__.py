"""The ways to resample, one file each: it says `RESAMPLING`, and a line here names it."""

from typing import Final

from . import bicubic, bilinear
from .resampling import Resampling

RESAMPLINGS: Final[tuple[Resampling, ...]] = (
    bilinear.RESAMPLING,
    bicubic.RESAMPLING,
)


def named(name: str) -> Resampling | None:
    """The one of this name; None where there is none."""
    return next((resampling for resampling in RESAMPLINGS if resampling.name == name), None)


def names() -> list[str]:
    """What a `Preprocess` may ask for."""
    return [resampling.name for resampling in RESAMPLINGS]
