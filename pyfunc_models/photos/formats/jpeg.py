"""JPEG, and of a phone's MPO the first picture. Source: ITU-T T.81, annex B."""

import struct
from typing import Final

from PIL import JpegImagePlugin

from .format import Format, number

# Start of frame, by table B.1; 0xC4, 0xC8 and 0xCC are no frames.
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def keeps_coefficients(content: bytes) -> bool:
    """Whether the decoder keeps the coefficients of the whole photo, at whatever scale it decodes.

    So it is where a pixel's data is in several scans: progressive, or a scan for each component. True too where the
    headers do not say. Source: start_input_pass and use_multi_scan of libjpeg.
    """
    at, components = 2, 0
    try:
        while True:
            at = content.index(b"\xff", at) + 1
            marker = content[at]
            if marker in _PROGRESSIVE:
                return True
            if marker in _FRAMES:
                components = content[at + 8]
            elif marker == 0xDA:
                return content[at + 3] < components
            if marker not in (0x00, 0x01, 0xFF) and not 0xD0 <= marker <= 0xD9:
                at += 1 + number(content, at + 1, ">H")
    except (ValueError, IndexError, struct.error):
        return True


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
)
