"""AVIF, the primary picture or the first frame. Source: AVIF 1.1, section 6."""

from typing import Final

from PIL import AvifImagePlugin

from . import boxes
from .format import Format

_BRANDS: Final = frozenset({b"avif", b"avis"})

# dav1d would have a thread for each core of the machine, where a worker has one core of it.
if not AvifImagePlugin.DEFAULT_MAX_THREADS:
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


FORMAT = Format(
    name="AVIF",
    suffixes=("avif", "avifs"),
    heads=boxes.heads(*sorted(_BRANDS)),
    plugin=AvifImagePlugin.AvifImageFile,
    is_cut_off=boxes.are_cut_off,
    recognises=lambda content: bool(_BRANDS & boxes.brands(content)),
    size=boxes.size,
    lacks=lambda: None if AvifImagePlugin.SUPPORTED else "a Pillow that was built with libavif",
)
