"""Bytes of a photo -> RGB pixels, or the fault of its row.

JPEG (of a phone's MPO the first picture), PNG (of an APNG the default picture), WebP and GIF (the first
frame), BMP, TIFF (the first page), AVIF, JPEG 2000, and HEIC (the primary picture) where pillow-heif is. The pixels
are those of `PIL.Image.open(file).convert("RGB")`, which is what torchvision's loader does, but for the two lines
marked *:

| photo | pixels |
|---|---|
| grey, 1 bit | the grey in all three channels; 1 bit is 0 or 255, fewer than 8 are spread over 0 to 255 |
| 16-bit grey * | `value >> 8`, as Pillow itself does for 16-bit RGB; its plain conversion clips at 255 |
| 16-bit RGB, RGBA, grey with alpha | the high byte of each |
| palette | the palette's colours |
| transparency of any kind | dropped: the colour stored under it stays, there is no background |
| CMYK JPEG or TIFF | Pillow's plain formula; Adobe's inversion is undone, ICC profiles are ignored |
| YCbCr TIFF | RGB by JPEG's formula |
| LAB TIFF | sRGB by LittleCMS |
| integer TIFF that is signed or of 32 bits, float TIFF * | `unsupported`: nothing says what is white |
| EXIF orientation 2 to 8 | ignored, unless `orientation="exif"`; broken EXIF counts as none |
| TIFF orientation 2 to 8, turns of a HEIC | applied always, as Pillow does: they are part of the format |
| turns of an AVIF | as EXIF orientation, which Pillow makes of them |
"""

import io
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageFile

from . import containers, formats
from .formats.format import Format, TooMuch
from .pillow_warnings import SILENCED
from .reduced import REDUCED, Reduced
from .status import RowFault, Status
from .turns import ON_ITS_SIDE, turn_of

Orientation = Literal["ignore", "exif"]

DEFAULT_MAX_PIXELS: Final = 89_478_485
"""The size from which Pillow suspects a decompression bomb: 358 MB at its 4 bytes a pixel."""

_LONGEST_REASON: Final = 120


Needed = Callable[[tuple[int, int]], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Limits:
    """What bounds a decoding: `pixels` from above, `needed` from below."""

    orientation: Orientation
    pixels: int
    needed: Needed | None


class _Refused(Exception):
    """Carries a fault out of the depth of a decoding."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.fault = RowFault(status, error)


def decode(
    content: bytes | memoryview | None,
    *,
    orientation: Orientation = "ignore",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    needed: Needed | None = None,
) -> Image.Image | RowFault:
    """Photo's bytes -> loaded image of mode RGB, or what is wrong with them; never an exception or a warning.

    With `needed`, (width, height) of the photo -> (width, height) that a resize makes of it, a JPEG is decoded at
    the smallest of 1/1, 1/2, 1/4 and 1/8 that is no smaller than that. `max_pixels` bounds width x height that are
    decoded, as the header gives them, before any pixel is; of a JPEG whose coefficients are all kept until its end,
    a progressive one above all, it bounds the photo's at any scale. Safe in threads.
    """
    limits = _Limits(orientation, max_pixels, needed)
    if content is None:
        return RowFault(Status.MISSING, "no photo: the content is null")
    try:
        return _judged(bytes(content), limits)
    except MemoryError:
        return RowFault(Status.TOO_LARGE, f"a photo of {len(content)} bytes takes more memory than there is")


def _judged(data: bytes, limits: _Limits) -> Image.Image | RowFault:
    if not data:
        return RowFault(Status.EMPTY, "no photo: the content has 0 bytes")
    try:
        format = _readable_format(data)
    except _Refused as refused:
        return refused.fault
    try:
        with SILENCED:
            return _decode(format, data, limits)
    except _Refused as refused:
        return refused.fault
    except (MemoryError, TooMuch, Image.DecompressionBombError) as error:
        return RowFault(
            Status.TOO_LARGE, f"{format.name} of {len(data)} bytes is too large: {_reason(error)}"
        )
    # Hostile bytes make Pillow raise nearly anything, and a row must not fail a job.
    except Exception as error:
        return _fault(format, data, error)


def _readable_format(data: bytes) -> Format:
    if format := containers.format_of(data):
        return format
    known = formats.names()
    if name := containers.other_format_of(data):
        raise _Refused(Status.UNSUPPORTED, f"{name} is not supported; supported are {known}")
    if start := containers.starts_like(data):
        raise _Refused(Status.TRUNCATED, f"{start} is cut off after {len(data)} bytes")
    raise _Refused(
        Status.UNDECODABLE,
        # Not how it begins: it may be somebody's file that got here under a photo's name.
        f"the content begins like no image that is known; supported are {known}",
    )


def _decode(format: Format, data: bytes, limits: _Limits) -> Image.Image:
    if format.lacks is not None and (what := format.lacks()):
        raise _Refused(Status.UNSUPPORTED, f"{format.name} is not decoded by this worker, which lacks {what}")
    # Pillow would fill up half a photo with grey if anything in the process has set this.
    if ImageFile.LOAD_TRUNCATED_IMAGES and containers.is_cut_off(format, data):
        raise OSError("truncated")
    if format.size is not None:
        _check_size(format.size(data), limits.pixels)
    if format.check is not None:
        with suppress(IndexError, ValueError, struct.error):  # the decoder will say what is wrong
            format.check(data)
    # The plugin itself: Image.open would judge sizes by a setting that the whole process shares.
    image = format.plugin(io.BytesIO(data))
    full, box = image.size, None
    if limits.needed is not None and format.keeps_coefficients is not None:
        box = _reduce(image, limits.orientation, limits.needed)
        if box is not None and format.keeps_coefficients(data):
            _check_size(full, limits.pixels)
    _check_size(image.size, limits.pixels)
    if format.check_pixels is not None:
        with suppress(IndexError, ValueError, struct.error):
            format.check_pixels(data, full[0] * full[1])
    _check_depth(format, image)
    # All of it at once: Pillow hands the decoder 64 kB at a time, each time with a copy of what is left over. Not where
    # there are parts, each of which would be handed all that comes after it.
    if len(image.tile) == 1:
        image.decodermaxblock = max(image.decodermaxblock, len(data))
    image.load()
    rgb = _to_rgb(image)
    turn = turn_of(image) if limits.orientation == "exif" else None
    if box is not None and turn is None:
        rgb.info[REDUCED] = Reduced(full, box[2:])
    return rgb if turn is None else rgb.transpose(turn)


def _reduce(
    image: ImageFile.ImageFile, orientation: Orientation, needed: Needed
) -> tuple[int, int, float, float] | None:
    """Have a JPEG that was not loaded yet decoded at a smaller scale, where that is large enough.

    Returns the box of the photo in the smaller image; None where it is not smaller.
    """
    full = image.size
    width, height = image.size
    if orientation == "exif" and turn_of(image) in ON_ITS_SIDE:
        height, width = needed((height, width))
    else:
        width, height = needed((width, height))
    if width >= full[0] and height >= full[1]:
        return None
    drafted = image.draft(None, (width, height))
    return drafted[1] if drafted and image.size != full else None


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _Refused(
            Status.TOO_LARGE,
            f"{width} x {height} = {width * height} pixels are above the limit of {max_pixels} (--max-pixels)",
        )


def _check_depth(format: Format, image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        kind = "float" if image.mode == "F" else "32-bit or signed integer"
        raise _Refused(
            Status.UNSUPPORTED,
            f"{format.name} of {kind} pixels is not supported: nothing says which value is white; "
            "supported are 1 to 16 bits a channel, unsigned",
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    # RGB has no place for transparency, and broken transparency must not break the colours.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _fault(format: Format, data: bytes, error: Exception) -> RowFault:
    reason = _reason(error)
    if containers.is_cut_off(format, data) or "truncated" in reason.lower():
        return RowFault(Status.TRUNCATED, f"{format.name} is cut off after {len(data)} bytes")
    return RowFault(Status.UNDECODABLE, f"{format.name} of {len(data)} bytes cannot be decoded: {reason}")


def _reason(error: Exception) -> str:
    """One printable line that is the same in every process: no objects with their addresses."""
    text = re.sub(r"<[^<>]*\b0x[0-9a-fA-F]+>", "file", str(error))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    said = isinstance(error, OSError | SyntaxError | ValueError | TooMuch) and line
    return (line if said else f"{type(error).__name__} {line}".rstrip())[:_LONGEST_REASON]
