"""PNG, and of an APNG the default picture."""

from typing import Final

from PIL import PngImagePlugin

from .format import Format, TooMuch, number

MAX_CHUNKS: Final = 131_072
"""libpng writes 8 kB into one, so these are a gigabyte; Pillow takes some 2 µs for each."""


def _is_cut_off(content: bytes) -> bool:
    at = 8
    while content[at + 4 : at + 8] != b"IEND":
        at += 12 + number(content, at, ">I")
    return False


def _check(content: bytes) -> None:
    at = 8
    for _ in range(MAX_CHUNKS):
        if content[at + 4 : at + 8] in (b"IEND", b""):
            return
        at += 12 + number(content, at, ">I")
    raise TooMuch(f"more than {MAX_CHUNKS} chunks")


FORMAT = Format(
    name="PNG",
    suffixes=("png",),
    heads=(b"\x89PNG\r\n\x1a\n",),
    plugin=PngImagePlugin.PngImageFile,
    is_cut_off=_is_cut_off,
    check=_check,
)
