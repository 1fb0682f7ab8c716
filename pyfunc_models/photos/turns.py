"""How a photo is to be turned for the eye, as its EXIF has it."""

import io
from typing import Final

from PIL import ExifTags, Image

from .formats import jpeg, tiff
from .pillow_warnings import SILENCED

# EXIF 2.32, tag 0x0112: how the stored picture is to be turned for the eye.
_TURNS: Final[dict[object, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

ON_ITS_SIDE: Final = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """How a photo is to be turned or mirrored; None where it is not, or its EXIF is broken."""
    try:
        exif = image.info.get("exif")
        if isinstance(exif, bytes):  # a directory as a TIFF has it, and as large as somebody made it
            tiff.check(exif.removeprefix(b"Exif\0\0"))
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # broken EXIF says nothing of the pixels, which are whole
        return None


def is_turned(content: bytes | None) -> bool:
    """Whether a JPEG says that it is to be turned or mirrored; True also where its headers cannot be read."""
    if content is None or not jpeg.may_be_turned(content):
        return False
    try:
        with SILENCED:
            if jpeg.FORMAT.check is not None:
                jpeg.FORMAT.check(content)
            return turn_of(jpeg.FORMAT.plugin(io.BytesIO(content))) is not None
    except Exception:  # `decode` says what it is
        return True
