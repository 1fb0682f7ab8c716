"""The photo formats that are read, one file each: it says `FORMAT`, and a line here names it."""

from importlib import import_module
from typing import Final

from .format import Format

FILES: Final = (
    "jpeg",
    "png",
    "webp",
    "gif",
    "bmp",
    "tiff",
    "avif",
    "heic",
    "jpeg2000",
)
FORMATS: Final[tuple[Format, ...]] = tuple(import_module(f".{file}", __name__).FORMAT for file in FILES)


def names() -> str:
    """All of them, for a message."""
    return ", ".join(format.name for format in FORMATS)


def suffixes() -> tuple[str, ...]:
    """What files of these formats end in, without the dot, in small letters."""
    return tuple(suffix for format in FORMATS for suffix in format.suffixes)
