"""The fast decoder gives Pillow's pixels or leaves the photo to the exact one: no row's status depends on it."""

import io
import random
import sys

import numpy as np
import pytest
from PIL import Image

from pyfunc_models import fast_decode
from pyfunc_models.decode import RowFault, decode
from pyfunc_models.engines import EngineUnavailable

from .images import photo


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 30}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"optimize": True}],
    ids=str,
)
@pytest.mark.parametrize("size", [(500, 375), (97, 61), (1, 1)])
def test_pixels_are_pillows_to_the_bit(options: dict[str, object], size: tuple[int, int]) -> None:
    content = jpeg(photo(*size), **options)
    found, expected = fast_decode.decode(content), decode(content)
    assert found is not None
    assert not isinstance(expected, RowFault)
    assert (found.mode, found.size) == ("RGB", size)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_what_is_no_colour_jpeg_is_left_to_the_exact_decoder() -> None:
    png = io.BytesIO()
    photo(9, 9).save(png, "PNG")
    others = [jpeg(photo(9, 9).convert(mode)) for mode in ("L", "CMYK")]
    for content in (None, b"", b"\xff\xd8\xff", b"no photo", png.getvalue(), *others):
        assert fast_decode.decode(content) is None


def test_a_photo_above_the_limit_of_pixels_is_left_to_the_exact_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = jpeg(photo(40, 30))
    monkeypatch.setattr(fast_decode, "DEFAULT_MAX_PIXELS", 40 * 30)
    assert fast_decode.decode(content) is not None
    monkeypatch.setattr(fast_decode, "DEFAULT_MAX_PIXELS", 40 * 30 - 1)
    assert fast_decode.decode(content) is None


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Cut off, with bytes changed (of the header or anywhere), or with some left out."""
    changed = bytearray(content)
    start = dice.randrange(2, len(content))
    how = dice.choice(["cut", "header", "anywhere", "hole"])
    if how == "cut":
        return content[:start]
    if how == "hole":
        return content[:start] + content[start + dice.randint(1, 50) :]
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(min(len(content), 700) if how == "header" else len(content))] = dice.randrange(
            256
        )
    return bytes(changed)


def test_a_damaged_photo_is_never_read_otherwise_than_by_the_exact_decoder() -> None:
    dice = random.Random(0)
    sources = [jpeg(photo(90, 70), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})]
    read = 0
    for _ in range(1500):
        content = damaged(dice.choice(sources), dice)
        found = fast_decode.decode(content)
        if found is not None:
            expected = decode(content)
            assert not isinstance(expected, RowFault), content.hex()
            np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
            read += 1
    assert read > 100


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(EngineUnavailable, match=r"pip install 'simplejpeg.*every executor"):
        fast_decode.library()
