"""GIF, the first frame. Source: GIF89a, sections 17 to 24."""

from PIL import GifImagePlugin

from .format import Format


def _is_cut_off(content: bytes) -> bool:
    """The sub-blocks of the first picture do not end."""
    at = 13 + _palette(content[10])
    while content[at] == 0x21:
        at = _blocks_end(content, at + 2)
    if content[at] == 0x2C:
        _blocks_end(content, at + 11 + _palette(content[at + 9]))
    return False


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
)
