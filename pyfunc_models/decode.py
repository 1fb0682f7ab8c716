"""Bytes of a photo -> RGB pixels, or the fault of its row."""

import io
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .preprocess import Orientation

DEFAULT_MAX_PIXELS: Final = 89_478_485
"""The size from which Pillow itself suspects a decompression bomb: 256 MiB of RGB pixels."""


class Status(StrEnum):
    """What became of a row."""

    OK = "ok"
    EMPTY = "empty"
    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row has no prediction: data, not an exception."""

    status: Status
    error: str


_PLUGINS: Final[dict[bytes, type[ImageFile.ImageFile]]] = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"GIF87a": GifImagePlugin.GifImageFile,
    b"GIF89a": GifImagePlugin.GifImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"II+\0": TiffImagePlugin.TiffImageFile,
    b"MM\0+": TiffImagePlugin.TiffImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
}


def decode(
    content: bytes | memoryview | None,
    *,
    orientation: Orientation = "ignore",
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Image.Image | RowFault:
    """Photo's bytes -> loaded RGB image, or what is wrong with them; never an exception."""
    if content is None:
        return RowFault(Status.MISSING, "The row has no photo: its content is null.")
    if len(content) == 0:
        return RowFault(Status.EMPTY, "The photo has 0 bytes.")
    try:
        return _decode(content, orientation, max_pixels)
    except Exception as error:
        text = re.sub(r"<[^>]*>", "", str(error)).splitlines()
        status = Status.TRUNCATED if "truncated" in str(error).lower() else Status.UNDECODABLE
        return RowFault(status, f"{type(error).__name__}: {text[0] if text else ''}"[:200])


def _decode(content: bytes | memoryview, orientation: Orientation, max_pixels: int) -> Image.Image | RowFault:
    head = bytes(content[:32])
    plugin = next((plugin for magic, plugin in _PLUGINS.items() if head.startswith(magic)), None)
    if plugin is None:
        return RowFault(
            Status.UNDECODABLE, f"{len(content)} bytes that are no JPEG, PNG, WebP, GIF, BMP or TIFF."
        )
    image: Image.Image = plugin(io.BytesIO(content))
    if image.width * image.height > max_pixels:
        return RowFault(
            Status.TOO_LARGE,
            f"{image.width} x {image.height} pixels; at most {max_pixels} are allowed.",
        )
    image.load()
    image.info.pop("transparency", None)
    if orientation == "exif":
        ImageOps.exif_transpose(image, in_place=True)
    return image if image.mode == "RGB" else image.convert("RGB")
