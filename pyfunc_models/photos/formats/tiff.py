"""TIFF and BigTIFF, the first page. Source: TIFF 6.0, section 2."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Final, Self

from PIL import TiffImagePlugin, _imaging

from .format import Format, TooMuch, number

MAX_ENTRIES: Final = 4_096
"""Of a directory. Pillow reads every one."""

MAX_VALUES: Final = 524_288
"""Numbers in a directory's arrays: 262,144 strips. Pillow makes a Python object of each, at some 60 bytes and 1 µs."""

_HEADS: Final = (b"II\x2a\x00", b"MM\x00\x2a", b"II\x2b\x00", b"MM\x00\x2b")
# StripOffsets and StripByteCounts, TileOffsets and TileByteCounts.
_PARTS: Final = ((273, 279), (324, 325))
# Exif, GPS and Interoperability: directories of their own, which Pillow reads too.
_DIRECTORIES: Final = frozenset({34665, 34853, 40965})
# Bytes of a value by type; the types whose values Pillow keeps as bytes; the codes of unsigned integers.
_SIZES: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_AS_BYTES: Final = frozenset({1, 2, 7})
_INTEGERS: Final = {3: "H", 4: "I", 16: "Q"}
# libtiff lets a strip of JPEG have 100 scans, over each of which it goes for every pixel.
os.environ.setdefault("LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER", "22")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One of a directory: `at`, where it is in the file."""

    tag: int
    kind: int
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class _File:
    """How numbers are written: struct's codes of byte order, of a place in the file and of a count of entries."""

    content: bytes
    order: str
    word: str
    entry_count: str
    first: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        order = "<" if content[:1] == b"I" else ">"
        if number(content, 2, order + "H") == 43:
            return cls(content, order, order + "Q", order + "Q", number(content, 8, order + "Q"))
        return cls(content, order, order + "I", order + "H", number(content, 4, order + "I"))

    def entries(self, directory: int) -> Iterator[_Entry]:
        width = struct.calcsize(self.word)
        first, step = directory + struct.calcsize(self.entry_count), 4 + 2 * width
        layout = struct.Struct(f"{self.order}HH{self.word[1]}")
        for at in range(first, first + step * number(self.content, directory, self.entry_count), step):
            tag, kind, count = layout.unpack_from(self.content, at)
            yield _Entry(tag, kind, count, at)

    def integers(self, entry: _Entry, at_most: int) -> tuple[int, ...]:
        values = f"{self.order}{min(entry.count, at_most)}{_INTEGERS.get(entry.kind, 'I')}"
        return struct.unpack_from(values, self.content, self._place(entry, struct.calcsize(values)))

    def _place(self, entry: _Entry, size: int) -> int:
        width = struct.calcsize(self.word)
        at = entry.at + 4 + width
        return at if size <= width else number(self.content, at, self.word)


def check(content: bytes) -> None:
    """Raises TooMuch on a directory that makes a small file large in memory: too long, or of too many numbers.

    Arrays that lie on one another and are larger than the file in all are left out, as Pillow leaves them out.
    """
    _silence()
    file = _File.of(content)
    directories, left = [file.first], len(_DIRECTORIES)
    while directories:
        values, size = 0, 0
        for entries, entry in enumerate(file.entries(directories.pop()), 1):
            size += entry.count * _SIZES.get(entry.kind, 0)
            values += 0 if entry.kind in _AS_BYTES or size > len(content) else entry.count
            if entries > MAX_ENTRIES or values > MAX_VALUES:
                raise TooMuch(f"a directory of more than {MAX_ENTRIES} entries or {MAX_VALUES} numbers")
            if entry.tag in _DIRECTORIES and entry.kind in _INTEGERS and left:
                directories += file.integers(entry, at_most=1)
                left -= 1


@cache
def _silence() -> None:
    """Have libtiff say nothing on this process's stderr, from the first TIFF on: Pillow raises what matters.

    Its handlers are found through Pillow's own module, which is linked with it: whichever libtiff that is.
    """
    with suppress(OSError, AttributeError):  # a Pillow that has it built in
        pillow = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(pillow, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)


def _is_cut_off(content: bytes) -> bool:
    """A strip or tile of the first page lies beyond the end."""
    file = _File.of(content)
    found: dict[int, tuple[int, ...]] = {}
    for entry in file.entries(file.first):
        if entry.tag in (273, 279, 324, 325) and entry.tag not in found:
            found[entry.tag] = file.integers(entry, at_most=min(MAX_VALUES, len(content)))
    return any(
        start + length > len(content)
        for starts, lengths in _PARTS
        for start, length in zip(found.get(starts, ()), found.get(lengths, ()), strict=False)
    )


FORMAT = Format(
    name="TIFF",
    suffixes=("tif", "tiff"),
    heads=_HEADS,
    plugin=TiffImagePlugin.TiffImageFile,
    is_cut_off=_is_cut_off,
    # Canon's CR2 begins as a TIFF does.
    recognises=lambda content: content.startswith(_HEADS) and content[8:10] != b"CR",
    check=check,
)
