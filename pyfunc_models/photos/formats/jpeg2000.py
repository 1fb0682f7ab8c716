"""JPEG 2000: JP2 and the bare codestream. Source: ITU-T T.800, annexes A, B and I.

A few bytes of headers can ask for any number of tiles, precincts and code-blocks, and OpenJPEG makes an object of each
before it has seen a pixel: 184 bytes of 81 Mpx take 9 GB and 25 s where nobody counts.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from PIL import ImageFile, Jpeg2KImagePlugin, features

from . import boxes
from .format import Format, TooMuch, number

MAX_BYTES: Final = 33_554_432
"""Every bit is decoded by itself, at some 0.13 s a MB."""

MAX_PIECES: Final = 524_288
"""Precincts and code-blocks: six times those of 89 Mpx in the usual blocks. OpenJPEG takes some 460 bytes for each."""

MAX_PACKETS: Final = 67_108_864
"""Pieces times quality layers."""

MAX_TILES: Final = 8_192
"""Tiles of 128 x 128 are 5,500 at the default limit of pixels. OpenJPEG takes some 9 kB for each, there or not."""

MAX_TILE_BYTES: Final = 1_073_741_824
"""Of one tile while it is decoded: four bytes a sample, and the sample itself."""

MAX_SEGMENTS: Final = 131_072
"""In all headers; each tile has two at least."""

_HEADS: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_COD, _COC, _SOT, _SOD, _EOC = 0x52, 0x53, 0x90, 0x93, 0xD9


class _Segment(NamedTuple):
    """`at` is where its parameters begin, after marker and length."""

    marker: int
    at: int


@dataclass(frozen=True, slots=True)
class _Size:
    """The SIZ segment. `sample_bytes`: of one pixel's samples, as they are handed over."""

    width: int
    height: int
    tiles: int
    tile_pixels: int
    components: int
    sample_bytes: int

    @classmethod
    def of(cls, content: bytes, start: int) -> "_Size":
        """Of the codestream that begins at `start`. Raises ValueError on sizes that are none."""
        right, bottom, left, top, *tile = (number(content, start + 8 + 4 * i, ">I") for i in range(8))
        components = number(content, start + 40, ">H")
        depths = content[start + 42 : start + 42 + 3 * components : 3]
        across, down = (
            math.ceil((end - first) / size) if size else 0
            for end, first, size in ((right, tile[2], tile[0]), (bottom, tile[3], tile[1]))
        )
        if across < 1 or down < 1 or right <= left or bottom <= top:
            raise ValueError("sizes that are none")
        width, height = right - left, bottom - top
        return cls(
            width=width,
            height=height,
            tiles=across * down,
            tile_pixels=min(tile[0], width) * min(tile[1], height),
            components=components,
            sample_bytes=sum(((depth & 0x7F) + 8) >> 3 for depth in depths),
        )


@dataclass(slots=True)
class _Headers:
    """What all headers ask for. `seen`: the tiles that are there; `is_whole`: whether all parts of them end."""

    size: _Size
    pieces: int = 0
    layers: int = 1
    seen: set[int] = field(default_factory=set)
    is_whole: bool = True


def _headers(content: bytes) -> _Headers:
    """Raises TooMuch on too many segments, and ValueError, IndexError or struct.error on what is no codestream."""
    start = _start(content)
    found = _Headers(_Size.of(content, start))
    for segment in _segments(content, start, found):
        if segment.marker == _COD:
            found.layers = max(found.layers, number(content, segment.at + 2, ">H"))
            styles = content[segment.at + 5 : segment.at + 43]
            found.pieces = max(found.pieces, _pieces(found.size, styles, bool(content[segment.at] & 1)))
        elif segment.marker == _COC:
            # Which component it is of takes a byte, or two where there are many.
            at = segment.at + (1 if found.size.components < 257 else 2)
            styles = content[at + 1 : at + 39]
            found.pieces = max(found.pieces, _pieces(found.size, styles, bool(content[at] & 1)))
    return found


def _start(content: bytes) -> int:
    """Where the codestream begins. Raises IndexError where the boxes end before it."""
    if content.startswith(_HEADS[1]):
        return 0
    found = next((box.start for box in boxes.boxes(content) if box.kind == b"jp2c"), None)
    if found is None:
        raise IndexError("no codestream")
    return found


def _segments(content: bytes, start: int, found: _Headers) -> Iterator[_Segment]:
    """Those of the main header and of each part of a tile; what lies between them is passed over."""
    at, end = start + 2, 0
    for _ in range(MAX_SEGMENTS):
        if content[at] != 0xFF:
            raise ValueError("no marker")
        marker = content[at + 1]
        if marker == _EOC:
            return
        if marker == _SOT:
            found.seen.add(number(content, at + 4, ">H"))
            length = number(content, at + 6, ">I")
            end = at + length if length else len(content)
            found.is_whole &= end <= len(content)
        if marker == _SOD:
            if end >= len(content):  # some encoders leave the last marker out
                return
            at = max(end, at + 2)
            continue
        yield _Segment(marker, at + 4)
        at += 2 + number(content, at + 2, ">H")
    raise TooMuch(f"more than {MAX_SEGMENTS} segments")


def _pieces(size: _Size, styles: Sequence[int], has_precincts: bool) -> int:
    """Precincts and code-blocks, at most. `styles`: levels, then code-blocks, their style, transform, and precincts."""
    levels, across, down = min(styles[0], 32), styles[1] + 2, styles[2] + 2
    pixels, each = size.width * size.height, 0
    for resolution in range(levels + 1):
        width, height = across, down
        if has_precincts:  # which code-blocks are no larger than; of all but the first there are three bands
            precinct, half = styles[5 + resolution], resolution > 0
            width = min(width, max(0, (precinct & 15) - half))
            height = min(height, max(0, (precinct >> 4) - half))
        each += 2 * size.tiles + (pixels >> 2 * (levels - resolution) + width + height)
    return each * size.components


def _check(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise TooMuch(f"{len(content)} bytes, more than {MAX_BYTES}")
    size = _Size.of(content, _start(content))
    if size.tiles > MAX_TILES:  # before anything is counted for each of them
        raise TooMuch(f"{size.tiles} tiles, more than {MAX_TILES}")
    tile = size.tile_pixels * (4 * size.components + size.sample_bytes)
    if tile > MAX_TILE_BYTES:
        raise TooMuch(f"a tile of {tile} bytes while it is decoded, more than {MAX_TILE_BYTES}")
    found = _headers(content)
    if found.pieces > MAX_PIECES:
        raise TooMuch(f"{found.pieces} code-blocks and precincts, more than {MAX_PIECES}")
    if found.pieces * found.layers > MAX_PACKETS:
        raise TooMuch(f"{found.layers} layers of {found.pieces} code-blocks, more than {MAX_PACKETS} in all")


def _is_cut_off(content: bytes) -> bool:
    """A tile is not there, or not to its end."""
    try:
        found = _headers(content)
    except (ValueError, TooMuch):  # what is broken is not cut off
        return False
    return not found.is_whole or len(found.seen) < found.size.tiles


def _open(file: io.BytesIO) -> ImageFile.ImageFile:
    """OpenJPEG leaves tiles black that are not there. Raises OSError in place of that."""
    if _is_cut_off(file.getvalue()):
        raise OSError("truncated")
    return Jpeg2KImagePlugin.Jpeg2KImageFile(file)


FORMAT = Format(
    name="JPEG 2000",
    suffixes=("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
    heads=_HEADS,
    plugin=_open,
    is_cut_off=_is_cut_off,
    check=_check,
    lacks=lambda: None if features.check_codec("jpg_2000") else "a Pillow that was built with OpenJPEG",
)
