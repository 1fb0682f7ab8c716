"""BMP. Source: BITMAPINFOHEADER, https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader"""

from typing import Final

from PIL import BmpImagePlugin

from .format import Format, TooMuch, number

MAX_RLE_PIXELS, MAX_RLE_BYTES = 16_777_216, 8_388_608
"""Of a run-length encoded BMP, which Pillow decodes in Python: 0.1 µs for a pixel that ends a line, 0.3 for a run."""

_RUN_LENGTH_ENCODED: Final = (1, 2)


def _check(content: bytes) -> None:
    if number(content, 14, "<I") < 40 or number(content, 30, "<I") not in _RUN_LENGTH_ENCODED:
        return
    pixels = abs(number(content, 18, "<i") * number(content, 22, "<i"))
    if pixels > MAX_RLE_PIXELS or len(content) > MAX_RLE_BYTES:
        raise TooMuch(
            f"{pixels} pixels in {len(content)} bytes of runs, more than {MAX_RLE_PIXELS} or {MAX_RLE_BYTES}"
        )


FORMAT = Format(
    name="BMP",
    suffixes=("bmp",),
    heads=(b"BM",),
    plugin=BmpImagePlugin.BmpImageFile,
    is_cut_off=lambda content: number(content, 2, "<I") > len(content),
    check=_check,
)
