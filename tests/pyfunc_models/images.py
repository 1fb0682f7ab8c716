"""Test photos drawn by code: by Pillow's writers, or byte by byte where a golden value rests on them."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()  # for Pillow to write it

PNG_GREY, PNG_RGB, PNG_PALETTE, PNG_GREY_ALPHA, PNG_RGBA = 0, 2, 3, 4, 6
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_GREY, TIFF_RGB, TIFF_CIELAB = 1, 2, 8
TIFF_UNSIGNED, TIFF_SIGNED, TIFF_FLOAT = 1, 2, 3


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours, hard edges and noise, RGB: what shows a resize that is off by a fraction of a pixel."""
    rng = np.random.default_rng([seed, width, height])
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, (x + y) % 256], axis=-1)
    edges = 255 * ((x // 7 + y // 5) % 2)[..., None]
    noise = rng.integers(0, 256, (height, width, 3))
    return Image.fromarray(((smooth + edges + noise) / 3).astype(np.uint8))


def flat(color: Any, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> Image.Image:
    """One colour: a lossy format gives it back nearly as it was."""
    return Image.new(mode, size, color)


def encode(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def png(size: tuple[int, int], depth: int, color: int, pixels: bytes, *chunks: bytes) -> bytes:
    """`pixels` are the packed rows without filter bytes; `chunks` stand between IHDR and IDAT."""
    stride = len(pixels) // size[1]
    rows = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(size[1]))
    header = struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return PNG_SIGNATURE + b"".join(parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(
    size: tuple[int, int], bits: Sequence[int], color: int, pixels: bytes, *, order: str = "<", **more: int
) -> bytes:
    """One uncompressed strip before the directory; `more` are `orientation` and `sample_format`."""
    samples = len(bits)
    directory = 8 + len(pixels) + 2 * samples
    entries = [
        (256, "I", size[0]),
        (257, "I", size[1]),
        (258, "H", bits[0]) if samples == 1 else (258, "H*", 8 + len(pixels)),
        (259, "H", 1),
        (262, "H", color),
        (273, "I", 8),
        (274, "H", more.get("orientation", 1)),
        (277, "H", samples),
        (278, "I", size[1]),
        (279, "I", len(pixels)),
        (339, "H", more.get("sample_format", TIFF_UNSIGNED)),
    ]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, directory)
    packed = b"".join(_entry(order, samples, *entry) for entry in entries)
    return (
        head
        + pixels
        + struct.pack(f"{order}{samples}H", *bits)
        + struct.pack(order + "H", len(entries))
        + packed
        + bytes(4)
    )


def _entry(order: str, samples: int, tag: int, code: str, value: int) -> bytes:
    if code == "H":
        return struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
    kind, count = (3, samples) if code == "H*" else (4, 1)
    return struct.pack(order + "HHII", tag, kind, count, value)


def exif(orientation: int) -> bytes:
    """A TIFF directory with the orientation alone, as EXIF carries it."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def one_of_each() -> dict[str, bytes]:
    """A small readable photo in each format, and each way of storing it that breaks in its own way."""
    image = photo(64, 48)
    turned = image.rotate(90)
    palette = image.quantize(16)
    return {
        "jpeg": encode(image, "JPEG", exif=b"Exif\0\0" + exif(6)),
        "progressive jpeg": encode(image, "JPEG", progressive=True),
        "cmyk jpeg": encode(image.convert("CMYK"), "JPEG"),
        "mpo": encode(image, "MPO", save_all=True, append_images=[turned]),
        "png": encode(image, "PNG", exif=exif(6)),
        "palette png": encode(palette, "PNG", transparency=bytes(range(16))),
        "apng": encode(image, "PNG", save_all=True, append_images=[turned]),
        "webp": encode(image, "WEBP", exif=exif(6)),
        "lossless webp": encode(image, "WEBP", lossless=True),
        "animated webp": encode(image, "WEBP", save_all=True, append_images=[turned]),
        "gif": encode(image, "GIF", save_all=True, append_images=[turned]),
        "bmp": encode(image, "BMP"),
        "palette bmp": encode(palette, "BMP"),
        "tiff": encode(image, "TIFF"),
        "big tiff": encode(image, "TIFF", big_tiff=True),
        "lzw tiff": encode(image, "TIFF", compression="tiff_lzw"),
        "jpeg tiff": encode(image, "TIFF", compression="jpeg"),
        "deflate tiff": encode(image, "TIFF", compression="tiff_adobe_deflate"),
        "fax tiff": encode(image.convert("1"), "TIFF", compression="group4"),
        "avif": encode(image, "AVIF", exif=exif(6)),
        "grey avif": encode(image.convert("L"), "AVIF"),
        "animated avif": encode(image, "AVIF", save_all=True, append_images=[turned]),
        "heic": encode(image, "HEIF"),
        "tiled heic": encode(image, "HEIF", tile_size=32),
        "jp2": encode(image, "JPEG2000"),
        "lossy jp2": encode(image, "JPEG2000", irreversible=True, quality_layers=[20, 10]),
        "tiled j2k": encode(image, "JPEG2000", tile_size=(32, 32), no_jp2=True),
        "hand-made tiff": tiff((2, 2), [8, 8, 8], TIFF_RGB, bytes(range(12))),
    }
