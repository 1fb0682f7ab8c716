"""WebP, the first frame. Source: RFC 9649."""

from PIL import WebPImagePlugin

from .format import Format, number


def _size(content: bytes) -> tuple[int, int]:
    """(width, height) of the canvas; (0, 0) where the decoder will say what is wrong."""
    chunk = content[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(
        content[28:30], "little"
    ) & 0x3FFF


FORMAT = Format(
    name="WebP",
    suffixes=("webp",),
    heads=(b"RIFF",),
    plugin=WebPImagePlugin.WebPImageFile,
    is_cut_off=lambda content: 8 + number(content, 4, "<I") > len(content),
    recognises=lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP",
    size=_size,
)
