"""TIFF and BigTIFF, the first page. Source: TIFF 6.0, section 2."""

import struct
from typing import Final

from PIL import TiffImagePlugin

from .format import Format, number

_HEADS: Final = (b"II\x2a\x00", b"MM\x00\x2a", b"II\x2b\x00", b"MM\x00\x2b")
# StripOffsets, StripByteCounts, TileOffsets, TileByteCounts; and the codes of TIFF's unsigned integers.
_PARTS: Final = (273, 279, 324, 325)
_INTEGERS: Final = {3: "H", 4: "I", 16: "Q"}


def _is_cut_off(content: bytes) -> bool:
    """A strip or tile of the first page lies beyond the end."""
    order = "<" if content[:1] == b"I" else ">"
    is_big = number(content, 2, order + "H") == 43
    word, entry_count, header = (order + "Q", order + "Q", 8) if is_big else (order + "I", order + "H", 4)
    directory = number(content, header, word)
    first, step = directory + struct.calcsize(entry_count), 4 + 2 * struct.calcsize(word)
    last = first + step * number(content, directory, entry_count)
    found: dict[int, tuple[int, ...]] = {}
    for entry in range(first, last, step):
        tag = number(content, entry, order + "H")
        if tag in _PARTS and tag not in found:
            found[tag] = _integers(content, entry, word)
    starts, lengths = (sum((found.get(tag, ()) for tag in tags), ()) for tags in ((273, 324), (279, 325)))
    return any(start + length > len(content) for start, length in zip(starts, lengths, strict=False))


def _integers(content: bytes, entry: int, word: str) -> tuple[int, ...]:
    order, width = word[0], struct.calcsize(word)
    kind = _INTEGERS.get(number(content, entry + 2, order + "H"), "I")
    values = f"{order}{min(number(content, entry + 4, word), len(content))}{kind}"
    at = entry + 4 + width
    return struct.unpack_from(
        values, content, at if struct.calcsize(values) <= width else number(content, at, word)
    )


FORMAT = Format(
    name="TIFF",
    suffixes=("tif", "tiff"),
    heads=_HEADS,
    plugin=TiffImagePlugin.TiffImageFile,
    is_cut_off=_is_cut_off,
    # Canon's CR2 begins as a TIFF does.
    recognises=lambda content: content.startswith(_HEADS) and content[8:10] != b"CR",
)
