"""HEIC, the primary picture, by pillow-heif where it is installed. Source: ISO/IEC 23008-12, annex B.

Apart from Pillow, because its wheels have libde265 and x265 in them, of which the one is under the LGPL and the other
under the GPL.
"""

import io
from functools import cache
from importlib import import_module
from typing import Any, Final

from PIL import ImageFile

from . import boxes
from .format import Format, TooMuch

REQUIREMENT: Final = "pillow-heif"

MAX_BYTES: Final = 67_108_864
"""libde265 takes some 0.07 s a MB; a phone's photo of 48 Mpx has 10 MB."""

_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})


@cache
def _library() -> Any:
    """pillow-heif's plugin for Pillow; None where this machine does not have it."""
    try:
        plugin: Any = import_module("pillow_heif.as_plugin")
    except ImportError:
        return None
    plugin.options.DECODE_THREADS = 1  # a worker has one core
    return plugin


def _lacks() -> str | None:
    if _library() is not None:
        return None
    return f"{REQUIREMENT}: pip install {REQUIREMENT}, on every executor"


def _check(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise TooMuch(f"{len(content)} bytes, more than {MAX_BYTES}")


def _open(file: io.BytesIO) -> ImageFile.ImageFile:
    """libheif leaves tiles grey that are not there. Raises OSError in place of that."""
    if boxes.are_cut_off(file.getvalue()):
        raise OSError("truncated")
    opened: ImageFile.ImageFile = _library().HeifImageFile(file)
    return opened


FORMAT = Format(
    name="HEIC",
    suffixes=("heic", "heif", "hif"),
    heads=boxes.heads(b"heic", b"heix"),
    plugin=_open,
    is_cut_off=boxes.are_cut_off,
    recognises=lambda content: bool(_BRANDS & boxes.brands(content)),
    size=boxes.size,
    check=_check,
    lacks=_lacks,
)
