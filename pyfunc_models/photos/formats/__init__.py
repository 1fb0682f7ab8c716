"""The photo formats that are read, one file each: it says `FORMAT`, and a line here names it."""

from typing import Final

from . import bmp, gif, jpeg, png, tiff, webp
from .format import Format

FORMATS: Final[tuple[Format, ...]] = (
    jpeg.FORMAT,
    png.FORMAT,
    webp.FORMAT,
    gif.FORMAT,
    bmp.FORMAT,
    tiff.FORMAT,
)


def names() -> str:
    """All of them, for a message."""
    return ", ".join(format.name for format in FORMATS)


def suffixes() -> tuple[str, ...]:
    """What files of these formats end in, without the dot, in small letters."""
    return tuple(suffix for format in FORMATS for suffix in format.suffixes)
