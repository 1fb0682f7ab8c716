"""What a file says of itself without being decoded: its format, and whether its end is there."""

import struct
from typing import Final

from . import formats
from .formats.format import Format

# First bytes -> name of what is known and not read; the first that fits wins. Sources: the formats' own
# specifications, and Gary Kessler's table of file signatures, https://www.garykessler.net/library/file_sigs.html
_OTHERS: Final = (
    (b"II\x2a\x00\x10\x00\x00\x00CR", "Canon CR2 raw"),
    (b"IIRO", "Olympus ORF raw"),
    (b"IIRS", "Olympus ORF raw"),
    (b"IIU\x00", "Panasonic RW2 raw"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF raw"),
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
)
# The brand of an ISO base media file, bytes 8 to 12. Source: ISO/IEC 23008-12 annex B: HEIF of neither HEVC nor AV1.
_BRANDS: Final = {**dict.fromkeys((b"mif1", b"msf1", b"mif2"), "HEIF"), b"crx ": "Canon CR3 raw"}
_LONGEST_HEAD: Final = 1024


def format_of(content: bytes) -> Format | None:
    """The format that it is read as; None where it is none of these."""
    return next((format for format in formats.FORMATS if format.begins(content)), None)


def other_format_of(content: bytes) -> str | None:
    """The name of an image format that is not read; None for what is not known."""
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12])
    if content[128:132] == b"DICM":
        return "DICOM"
    for magic, name in _OTHERS:
        if content.startswith(magic):
            return name
    is_xml = content[:_LONGEST_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<svg", b"<!--"))
    return "SVG" if is_xml and b"<svg" in content[:_LONGEST_HEAD] else None


def starts_like(content: bytes) -> str | None:
    """The format of a file that is cut off within its first bytes; None where they do not say."""
    fits = {
        format.name
        for format in formats.FORMATS
        for head in format.heads
        if len(content) > 1 and head.startswith(content)
    }
    return fits.pop() if len(fits) == 1 else None


def is_cut_off(format: Format, content: bytes) -> bool:
    """Whether the structure of a file says that the end of its first picture is missing."""
    try:
        return format.is_cut_off(content)
    except (IndexError, struct.error, OverflowError):  # it points beyond its end
        return True
