"""BMP."""

from PIL import BmpImagePlugin

from .format import Format, number

FORMAT = Format(
    name="BMP",
    suffixes=("bmp",),
    heads=(b"BM",),
    plugin=BmpImagePlugin.BmpImageFile,
    is_cut_off=lambda content: number(content, 2, "<I") > len(content),
)
