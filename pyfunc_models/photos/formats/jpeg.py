"""JPEG, and of a phone's MPO the first picture. Source: ITU-T T.81, annex B."""

import struct
from typing import Final, NamedTuple

from PIL import JpegImagePlugin

from .format import Format, TooMuch, number

# Start of frame, by table B.1; 0xC4, 0xC8 and 0xCC are no frames.
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


MAX_SEGMENTS: Final = 4_096
"""Before the first scan. Profiles and metadata come in pieces of 64 kB, and Pillow goes through them one by one."""

MAX_SCANNED_PIXELS: Final = 4_000_000_000
"""Pixels times scans: 44 scans at the default limit of pixels. Encoders make about 10, mozjpeg up to 20."""

_SMALL: Final = 1_048_576
# A marker, a length, one component and how it is scanned.
_SHORTEST_SCAN: Final = 10
_SCAN: Final = b"\xff\xda"
_END: Final = b"\xff\xd9"


# What an orientation can be in: EXIF, and XMP, which Pillow looks into where EXIF does not say.
_MAY_SAY_ORIENTATION: Final = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")


def may_be_turned(content: bytes) -> bool:
    """Whether a JPEG may say how it is to be turned; sure only where this is False."""
    return any(mark in content for mark in _MAY_SAY_ORIENTATION)


class _Header(NamedTuple):
    """Of the first frame: whether its data is in several scans, and where the first of them begins."""

    is_multiple: bool
    scan: int


def _header(content: bytes) -> _Header:
    """Raises TooMuch on more than MAX_SEGMENTS, and ValueError, IndexError or struct.error where there is no scan."""
    at, components, is_progressive = 2, 0, False
    for _ in range(MAX_SEGMENTS):
        at = content.index(b"\xff", at) + 1
        marker = content[at]
        if marker in _FRAMES:
            is_progressive |= marker in _PROGRESSIVE
            components = content[at + 8]
        elif marker == 0xDA:
            return _Header(is_progressive or content[at + 3] < components, at - 1)
        if marker not in (0x00, 0x01, 0xFF) and not 0xD0 <= marker <= 0xD9:
            at += 1 + number(content, at + 1, ">H")
    raise TooMuch(f"more than {MAX_SEGMENTS} segments before its first scan")


def keeps_coefficients(content: bytes) -> bool:
    """Whether the decoder keeps the coefficients of the whole photo, at whatever scale it decodes.

    So it is where a pixel's data is in several scans: progressive, or a scan for each component. True too where the
    headers do not say. Source: start_input_pass and use_multi_scan of libjpeg.
    """
    try:
        return _header(content).is_multiple
    except (TooMuch, ValueError, IndexError, struct.error):
        return True


def _check(content: bytes) -> None:
    if len(content) > _SMALL:  # else there is no room for so many segments that they would cost anything
        _header(content)


def check_pixels(content: bytes, pixels: int) -> None:
    """Raises TooMuch on so many scans of so many pixels that decoding takes seconds, however few bytes they are.

    The decoder goes over all pixels for each scan. Scans are counted by their markers up to the photo's end; the few
    more that a segment between two scans may hold are no photo's either. Raises ValueError, IndexError and struct.error
    where there is no scan.
    """
    if len(content) // _SHORTEST_SCAN * pixels <= MAX_SCANNED_PIXELS:
        return
    header = _header(content)
    if not header.is_multiple:
        return
    end = content.find(_END, header.scan)
    scans = content.count(_SCAN, header.scan, end if end > 0 else len(content))
    if scans * pixels > MAX_SCANNED_PIXELS:
        raise TooMuch(f"{scans} scans of {pixels} pixels, more than {MAX_SCANNED_PIXELS} in all")


def _is_cut_off(content: bytes) -> bool:
    """No end-of-image marker after the first scan's start."""
    at = 2
    while True:
        at = content.find(b"\xff", at)
        if at < 0:
            return True
        marker = content[at + 1]
        if marker == 0xDA:
            return content.find(b"\xff\xd9", at) < 0
        if marker == 0xFF:
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            at += 2 + number(content, at + 2, ">H")


FORMAT = Format(
    name="JPEG",
    suffixes=("jpg", "jpeg"),
    heads=(b"\xff\xd8\xff",),
    plugin=JpegImagePlugin.JpegImageFile,
    is_cut_off=_is_cut_off,
    keeps_coefficients=keeps_coefficients,
    check=_check,
    check_pixels=check_pixels,
)
