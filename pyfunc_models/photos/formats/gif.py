"""GIF, the first frame. Source: GIF89a, sections 17 to 24."""

from typing import Final

from PIL import GifImagePlugin

from .format import Format, TooMuch

MAX_BLOCKS: Final = 65_536
"""Sub-blocks of comments and the like before the first picture; Pillow keeps each as an object of its own."""


def _is_cut_off(content: bytes) -> bool:
    """The sub-blocks of the first picture do not end."""
    at = 13 + _palette(content[10])
    while content[at] == 0x21:
        at = _blocks_end(content, at + 2)
    if content[at] == 0x2C:
        _blocks_end(content, at + 11 + _palette(content[at + 9]))
    return False


def _check(content: bytes) -> None:
    """The blocks in front of the first picture, and the extensions that they are in, are few."""
    at, left = 13 + _palette(content[10]), MAX_BLOCKS
    while content[at] == 0x21:
        at += 2
        while content[at] and left:
            at, left = at + 1 + content[at], left - 1
        at, left = at + 1, left - 1
        if left <= 0:
            raise TooMuch(f"more than {MAX_BLOCKS} blocks before its first picture")


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(content: bytes, at: int) -> int:
    while content[at]:
        at += 1 + content[at]
    return at + 1


FORMAT = Format(
    name="GIF",
    suffixes=("gif",),
    heads=(b"GIF87a", b"GIF89a"),
    plugin=GifImagePlugin.GifImageFile,
    is_cut_off=_is_cut_off,
    check=_check,
)
