"""Files of boxes, as AVIF, HEIC and JP2 are. Source: ISO/IEC 14496-12, section 4."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .format import number

# As many as any encoder names, and then some.
_MOST_BRANDS: Final = 64
_EXTENT: Final = re.compile(rb"ispe(?=.{12})", re.DOTALL)


class Box(NamedTuple):
    """One at the top: `start` of what is in it, and its `end`, which may lie beyond the file's."""

    kind: bytes
    start: int
    end: int


def boxes(content: bytes) -> Iterator[Box]:
    """Those at the top, in order. Raises struct.error where the head of one is cut off."""
    at = 0
    while at < len(content):
        size, kind, start = number(content, at, ">I"), content[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = number(content, at + 8, ">Q"), at + 16
        end = len(content) if size == 0 else at + max(size, start - at)
        yield Box(kind, start, end)
        at = end


def brands(content: bytes) -> frozenset[bytes]:
    """What the first box says that the file can be read as; nothing where it is no such box."""
    if content[4:8] != b"ftyp" or len(content) < 12:
        return frozenset()
    end = min(number(content, 0, ">I"), 16 + 4 * _MOST_BRANDS)
    compatible = (content[at : at + 4] for at in range(16, end, 4))
    return frozenset({content[8:12], *compatible})


def are_cut_off(content: bytes) -> bool:
    """A box ends beyond the file's end, or there is none yet that pictures could lie in."""
    found = list(boxes(content))
    return any(box.end > len(content) for box in found) or not {b"mdat", b"meta"} <= {
        box.kind for box in found
    }


def size(content: bytes) -> tuple[int, int]:
    """(width, height) of the largest picture that the file's properties name, before any of it is cut; (0, 0) of none.

    A decoder may be made to decode that one, however small what it shows of it.
    """
    meta = next((box for box in boxes(content) if box.kind == b"meta"), None)
    head = content[meta.start : meta.end] if meta else b""
    found = [
        (number(head, at.end() + 4, ">I"), number(head, at.end() + 8, ">I")) for at in _EXTENT.finditer(head)
    ]
    return max(found, key=lambda each: each[0] * each[1], default=(0, 0))


def heads(*brands: bytes) -> tuple[bytes, ...]:
    """How files of these brands begin: with the size of the first box, which is that of few brands."""
    return tuple(b"\0\0\0%cftyp%s" % (size, brand) for brand in brands for size in range(16, 68, 4))
