"""The ways to resample, one file each: it says `RESAMPLING`, and a line here names it."""

from importlib import import_module
from typing import Final

from .resampling import Resampling

FILES: Final = (
    "bilinear",
    "bicubic",
)
RESAMPLINGS: Final[tuple[Resampling, ...]] = tuple(
    import_module(f".{file}", __name__).RESAMPLING for file in FILES
)


def named(name: str) -> Resampling | None:
    """The one of this name; None where there is none."""
    return next((resampling for resampling in RESAMPLINGS if resampling.name == name), None)


def names() -> list[str]:
    """What a `Preprocess` may ask for."""
    return [resampling.name for resampling in RESAMPLINGS]
