"""PNG, and of an APNG the default picture."""

from PIL import PngImagePlugin

from .format import Format, number


def _is_cut_off(content: bytes) -> bool:
    at = 8
    while content[at + 4 : at + 8] != b"IEND":
        at += 12 + number(content, at, ">I")
    return False


FORMAT = Format(
    name="PNG",
    suffixes=("png",),
    heads=(b"\x89PNG\r\n\x1a\n",),
    plugin=PngImagePlugin.PngImageFile,
    is_cut_off=_is_cut_off,
)
