"""Photos on a page: read again where they lie, made small, and put into the page itself."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from pyfunc_models import RowFault, decode

SIDE = 168
"""Pixels of the longer side; shown at about two thirds of it, for dense screens."""
_QUALITY = 70
_AT_ONCE = 2

Read = Callable[[str], bytes | None]


def thumbnails(keys: Iterable[str], read: Read, max_pixels: int) -> Mapping[str, str]:
    """A `data:` address for each key whose photo `read` gives and that can be decoded; the others are left out.

    A photo is bytes to the decoder that jobs use, with its limits: nothing in it is carried out, and of the photo's
    own bytes none gets into the page.
    """
    wanted = list(dict.fromkeys(keys))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(lambda key: _thumbnail(read(key), max_pixels), wanted)
        return {key: small for key, small in zip(wanted, made, strict=True) if small is not None}


def _thumbnail(content: bytes | None, max_pixels: int) -> str | None:
    found = decode(content, orientation="exif", max_pixels=max_pixels, needed=_needed)
    if isinstance(found, RowFault):
        return None
    found.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    clean = Image.frombytes("RGB", found.size, found.tobytes())  # without what a photo says of itself
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _needed(size: tuple[int, int]) -> tuple[int, int]:
    """What a photo may be decoded at: JPEGs at an eighth, where that is enough."""
    scale = min(1.0, SIDE / max(1, *size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
