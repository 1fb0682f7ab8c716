"""Photos that are made to cost: small files that a decoder works on for long, or fills memory with."""

import struct
import zlib
from collections.abc import Callable, Sequence

from PIL import Image

from .images import chunk, encode, photo

Entry = tuple[int, int, int, bytes | int]

SHORT, LONG = 3, 4


def tiff(entries: Sequence[Entry], head: bytes = b"", tail: bytes = b"") -> bytes:
    """(tag, type, count, value or bytes) -> a little-endian TIFF: 8 bytes, `head`, the directory, arrays, `tail`."""
    directory = 8 + len(head)
    arrays = directory + 2 + 12 * len(entries) + 4
    packed, behind = b"", b""
    for tag, kind, count, value in sorted(entries, key=lambda entry: entry[0]):
        if isinstance(value, bytes):
            packed += struct.pack("<HHII", tag, kind, count, arrays + len(behind))
            behind += value
        else:
            packed += struct.pack("<HHII", tag, kind, count, value)
    start = struct.pack("<2sHI", b"II", 42, directory)
    return start + head + struct.pack("<H", len(entries)) + packed + bytes(4) + behind + tail


def _grey(width: int, height: int, compression: int, rows: int) -> list[Entry]:
    return [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, compression),
        (262, SHORT, 1, 1),
        (277, SHORT, 1, 1),
        (278, LONG, 1, rows),
    ]


def strips_at_one_offset(strips: int = 100_000, width: int = 100) -> bytes:
    """Each row a strip, all of them the same bytes: 8 bytes a strip, whatever that strip takes to be read."""
    offset = 8
    offsets = struct.pack("<I", offset) * strips
    lengths = struct.pack("<I", width) * strips
    entries = _grey(width, strips, 1, 1)
    entries += [(273, LONG, strips, offsets), (279, LONG, strips, lengths)]
    return tiff(entries, head=bytes(width))


def compressed_strips_at_one_offset(strips: int = 1_000, rows: int = 64, width: int = 1_000) -> bytes:
    """The same with LZW's cousin Deflate."""
    strip = zlib.compress(bytes(width * rows))
    offsets = struct.pack("<I", 8) * strips
    lengths = struct.pack("<I", len(strip)) * strips
    entries = _grey(width, strips * rows, 8, rows)
    entries += [(273, LONG, strips, offsets), (279, LONG, strips, lengths)]
    return tiff(entries, head=strip)


def overlapping_arrays(values: int = 1_250_000, entries: int = 4) -> bytes:
    """The arrays of offsets and lengths all lie on one another, and are as long as the file."""
    numbers = bytes(4 * values)
    at = 8
    fields = _grey(16, 16, 1, 1)
    packed = b"".join(struct.pack("<HHII", *entry) for entry in fields)
    packed += b"".join(struct.pack("<HHII", tag, LONG, values, at) for tag in (273, 279, 324, 325)[:entries])
    count = len(fields) + entries
    directory = 8 + len(numbers)
    start = struct.pack("<2sHI", b"II", 42, directory)
    return start + numbers + struct.pack("<H", count) + packed + bytes(4)


def many_entries(count: int = 65_535, values: int = 60_000) -> bytes:
    """A directory with as many entries as it can have, each an array over the whole file."""
    fields = [struct.pack("<HHII", *entry) for entry in _grey(16, 16, 1, 16)]
    more = [struct.pack("<HHII", 700 + i % 60_000, LONG, values, 8) for i in range(count - len(fields))]
    numbers = bytes(4 * values)
    directory = 8 + len(numbers)
    start = struct.pack("<2sHI", b"II", 42, directory)
    return start + numbers + struct.pack("<H", count) + b"".join(fields + more) + bytes(4)


def progressive_scans(size: tuple[int, int] = (8_000, 8_000), scans: int = 5_000, mode: str = "L") -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = encode(photo(64, 64).convert(mode), "JPEG", progressive=True)
    frame = content.index(b"\xff\xc2")
    header = bytearray(content)
    header[frame + 5 : frame + 9] = struct.pack(">HH", size[1], size[0])
    last = content.rindex(b"\xff\xda")
    scan = content[last : content.rindex(b"\xff\xd9")]
    return bytes(header[:last]) + scan * scans + b"\xff\xd9"


def colour_scans(size: tuple[int, int] = (8_000, 8_000), scans: int = 5_000) -> bytes:
    """The same in colour: what goes around Pillow."""
    return progressive_scans(size, scans, "RGB")


def rle_bmp(width: int = 2_000, height: int = 2_000) -> bytes:
    """A run-length encoded BMP of one pixel a line: the decoder adds the others one by one."""
    data = b"\x01\x07\x00\x00" * height + b"\x00\x01"
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    offset = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def png_pieces(count: int = 200_000) -> bytes:
    """A picture in very many pieces of no bytes."""
    content = encode(Image.new("L", (16, 16)), "PNG")
    at = content.index(b"IDAT") - 4
    return content[:at] + chunk(b"IDAT", b"") * count + content[at:]


def gif_comments(count: int = 2_000_000, length: int = 1) -> bytes:
    """A picture behind a comment of very many small blocks."""
    picture = encode(Image.new("P", (16, 16)), "GIF")
    at = 13 + (3 << ((picture[10] & 7) + 1) if picture[10] & 0x80 else 0)
    comment = b"\x21\xfe" + (bytes([length]) + b"c" * length) * count + b"\x00"
    return picture[:at] + comment + picture[at:]


def gif_extensions(count: int = 1_000_000) -> bytes:
    """A picture behind very many comments."""
    picture = encode(Image.new("P", (16, 16)), "GIF")
    at = 13 + (3 << ((picture[10] & 7) + 1) if picture[10] & 0x80 else 0)
    return picture[:at] + b"\x21\xfe\x01c\x00" * count + picture[at:]


def png_texts(count: int = 200_000) -> bytes:
    """Very many small text chunks before the picture."""
    content = encode(Image.new("L", (16, 16)), "PNG")
    return content[:33] + chunk(b"tEXt", b"k\0v") * count + content[33:]


def png_of_one_colour(size: tuple[int, int] = (9_400, 9_400)) -> bytes:
    """A legitimate photo at the limit of pixels, in 16-bit RGBA, of which nothing is left when compressed."""
    return encode(Image.new("RGBA", size), "PNG")


def jpeg_markers(count: int = 2_000_000) -> bytes:
    """Very many empty segments before the picture."""
    content = encode(photo(16, 16), "JPEG")
    return content[:2] + b"\xff\xe1\x00\x02" * count + content[2:]


def jpeg_fill(count: int = 8_000_000) -> bytes:
    """Very many fill bytes before a marker."""
    content = encode(photo(16, 16), "JPEG")
    return content[:2] + b"\xff" * count + content[2:]


def webp_chunks(count: int = 500_000) -> bytes:
    """Very many unknown chunks."""
    content = encode(photo(16, 16), "WEBP", exif=b"Exif\0\0II*\0")
    body = content[12:] + b"junk\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _jpeg2000(side: int, tile: int, cod: bytes) -> bytes:
    """Of one colour, whose headers say that it is larger, and cut as `cod` says: levels, code-blocks, precincts."""
    content = encode(Image.new("RGB", (64, 64)), "JPEG2000", no_jp2=True)
    size, style = content.index(b"\xff\x51"), content.index(b"\xff\x52")
    sizes = struct.pack(">8I", side, side, 0, 0, tile, tile, 0, 0)
    start = content[: size + 6] + sizes + content[size + 38 : style]
    rest = content[style + 2 + int.from_bytes(content[style + 2 : style + 4], "big") :]
    return start + b"\xff\x52" + struct.pack(">H", 2 + len(cod)) + cod + rest


def jpeg2000_precincts(side: int = 7_000) -> bytes:
    """184 bytes that ask for code-blocks of 4 x 4, each an object."""
    return _jpeg2000(side, side, b"\x01\0\0\x01\0\5\4\4\0\1" + b"\x33" * 6)


def jpeg2000_tiles(side: int = 9_000, tile: int = 36) -> bytes:
    """178 bytes that ask for as many tiles as there can be nearly."""
    return _jpeg2000(side, tile, b"\0\0\0\x01\0\5\4\4\0\1")


def jpeg2000_layers(side: int = 7_000) -> bytes:
    """178 bytes that ask for as many layers as there can be."""
    return _jpeg2000(side, side, b"\0\0\xff\xff\0\5\4\4\0\1")


def jpeg2000_of_one_tile(side: int = 9_400) -> bytes:
    """A photo at the limit of pixels, all of it decoded at once into numbers of four bytes."""
    return _jpeg2000(side, side, b"\0\0\0\x01\0\5\4\4\0\1")


def jpeg2000_tile_parts(count: int = 200_000) -> bytes:
    """A photo whose one tile has very many parts, all of them empty."""
    content = encode(Image.new("L", (16, 16)), "JPEG2000", no_jp2=True)
    at = content.index(b"\xff\x90")
    return content[:at] + b"\xff\x90\0\x0a\0\0\0\0\0\x0e\0\0\xff\x93" * count + content[at:]


REFUSED: dict[str, Callable[[], bytes]] = {
    "many TIFF entries": many_entries,
    "overlapping arrays": overlapping_arrays,
    "grey scans": progressive_scans,
    "colour scans": colour_scans,
    "BMP of short lines": lambda: rle_bmp(9_000, 9_000),
    "GIF comment": gif_comments,
    "GIF extensions": gif_extensions,
    "PNG texts": png_texts,
    "PNG pieces": png_pieces,
    "JPEG segments": jpeg_markers,
    "JPEG fill bytes": jpeg_fill,
    "HEIC bytes": lambda: encode(photo(16, 16), "HEIF") + bytes(64 * 1024 * 1024),
    "JPEG 2000 precincts": jpeg2000_precincts,
    "JPEG 2000 tiles": jpeg2000_tiles,
    "JPEG 2000 layers": jpeg2000_layers,
    "JPEG 2000 of one tile": jpeg2000_of_one_tile,
    "JPEG 2000 parts of tiles": jpeg2000_tile_parts,
    "JPEG 2000 bytes": lambda: encode(photo(16, 16), "JPEG2000") + bytes(32 * 1024 * 1024),
}
"""What is told by its structure before anything is decoded."""

READ: dict[str, Callable[[], bytes]] = {
    "strips at one offset": strips_at_one_offset,
    "compressed strips at one offset": compressed_strips_at_one_offset,
    "BMP of short lines": rle_bmp,
    "PNG of one colour": png_of_one_colour,
    "WebP chunks": webp_chunks,
}
"""What is read, at no more than its pixels and bytes cost."""
