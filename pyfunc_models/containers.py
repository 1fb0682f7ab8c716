"""What a file says of itself without being decoded: its format, and whether its end is there."""

import struct
from collections.abc import Callable
from typing import Final

READ: Final = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF")
"""The formats that `decode` reads."""

# First bytes -> name; the first that fits wins. Sources: the formats' own specifications, and Gary Kessler's
# table of file signatures, https://www.garykessler.net/library/file_sigs.html
_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II\x2a\x00\x10\x00\x00\x00CR", "Canon CR2 raw"),
    (b"II\x2a\x00", "TIFF"),
    (b"MM\x00\x2a", "TIFF"),
    (b"II\x2b\x00", "TIFF"),
    (b"MM\x00\x2b", "TIFF"),
    (b"IIRO", "Olympus ORF raw"),
    (b"IIRS", "Olympus ORF raw"),
    (b"IIU\x00", "Panasonic RW2 raw"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF raw"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "Photoshop PSD"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"gimp xcf", "GIMP XCF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"SIMPLE  =", "FITS"),
    *((b"P%d%c" % (kind, space), "Netpbm") for kind in range(1, 8) for space in b"\n\r\t "),
    (b"BM", "BMP"),
)
# The brand of an ISO base media file, bytes 8 to 12. Sources: ISO/IEC 23008-12 annex B, AVIF 1.1 section 6.
_BRANDS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "Canon CR3 raw",
}
_LONGEST_HEAD: Final = 1024
# Start of frame, by ITU-T T.81 table B.1; 0xC4, 0xC8 and 0xCC are no frames.
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# StripOffsets, StripByteCounts, TileOffsets, TileByteCounts; and the codes of TIFF's unsigned integers.
_TIFF_PARTS: Final = (273, 279, 324, 325)
_TIFF_INTEGERS: Final = {3: "H", 4: "I", 16: "Q"}


def format_of(content: bytes) -> str | None:
    """The name of the image format, whether it is one of `READ` or not; None for what is not known."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12])
    if content[128:132] == b"DICM":
        return "DICOM"
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    is_xml = content[:_LONGEST_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<svg", b"<!--"))
    return "SVG" if is_xml and b"<svg" in content[:_LONGEST_HEAD] else None


def starts_like(content: bytes) -> str | None:
    """The format of a file that is cut off within its first bytes; None where they say nothing."""
    heads = (*_MAGIC, (b"RIFF", "WebP"))
    fits = (name for magic, name in heads if len(content) > 1 and magic.startswith(content) and name in READ)
    return next(fits, None)


def is_cut_off(name: str, content: bytes) -> bool:
    """Whether the structure of a file of one of `READ` says that the end of its first picture is missing."""
    try:
        return _IS_CUT_OFF[name](content)
    except (IndexError, struct.error, OverflowError):  # it points beyond its end
        return True


def keeps_coefficients(content: bytes) -> bool:
    """Whether a JPEG's decoder keeps the coefficients of the whole photo, at whatever scale it decodes.

    So it is where a pixel's data is in several scans: progressive, or a scan for each component. True too where the
    headers do not say. Source: ITU-T T.81, annex B; start_input_pass and use_multi_scan of libjpeg.
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
                at += 1 + _number(content, at + 1, ">H")
    except (ValueError, IndexError, struct.error):
        return True


def _jpeg(content: bytes) -> bool:
    """No end-of-image marker after the first scan's start. Source: ITU-T T.81, annex B."""
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
            at += 2 + _number(content, at + 2, ">H")


def _png(content: bytes) -> bool:
    at = 8
    while content[at + 4 : at + 8] != b"IEND":
        at += 12 + _number(content, at, ">I")
    return False


def _gif(content: bytes) -> bool:
    """The sub-blocks of the first picture do not end. Source: GIF89a, sections 17 to 24."""
    at = 13 + _gif_palette(content[10])
    while content[at] == 0x21:
        at = _gif_blocks_end(content, at + 2)
    if content[at] == 0x2C:
        _gif_blocks_end(content, at + 11 + _gif_palette(content[at + 9]))
    return False


def _gif_palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks_end(content: bytes, at: int) -> int:
    while content[at]:
        at += 1 + content[at]
    return at + 1


def _bmp(content: bytes) -> bool:
    return _number(content, 2, "<I") > len(content)


def _webp(content: bytes) -> bool:
    return 8 + _number(content, 4, "<I") > len(content)


def _tiff(content: bytes) -> bool:
    """A strip or tile of the first page lies beyond the end. Source: TIFF 6.0, section 2, and BigTIFF."""
    order = "<" if content[:1] == b"I" else ">"
    is_big = _number(content, 2, order + "H") == 43
    word, entry_count, header = (order + "Q", order + "Q", 8) if is_big else (order + "I", order + "H", 4)
    directory = _number(content, header, word)
    first, step = directory + struct.calcsize(entry_count), 4 + 2 * struct.calcsize(word)
    last = first + step * _number(content, directory, entry_count)
    found: dict[int, tuple[int, ...]] = {}
    for entry in range(first, last, step):
        tag = _number(content, entry, order + "H")
        if tag in _TIFF_PARTS and tag not in found:
            found[tag] = _tiff_integers(content, entry, word)
    starts, lengths = (sum((found.get(tag, ()) for tag in tags), ()) for tags in ((273, 324), (279, 325)))
    return any(start + length > len(content) for start, length in zip(starts, lengths, strict=False))


def _tiff_integers(content: bytes, entry: int, word: str) -> tuple[int, ...]:
    order, width = word[0], struct.calcsize(word)
    kind = _TIFF_INTEGERS.get(_number(content, entry + 2, order + "H"), "I")
    values = f"{order}{min(_number(content, entry + 4, word), len(content))}{kind}"
    at = entry + 4 + width
    return struct.unpack_from(
        values, content, at if struct.calcsize(values) <= width else _number(content, at, word)
    )


def _number(content: bytes, at: int, code: str) -> int:
    (number,) = struct.unpack_from(code, content, at)
    assert isinstance(number, int)
    return number


_IS_CUT_OFF: Final[dict[str, Callable[[bytes], bool]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WebP": _webp,
    "TIFF": _tiff,
}
