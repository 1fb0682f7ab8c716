"""The usual JPEG without Pillow has Pillow's pixels, or is left to it: no row's status depends on it."""

import io
import random
import sys

import numpy as np
import pytest
from PIL import Image

from pyfunc_models.photos import usual_jpeg
from pyfunc_models.photos.decode import RowFault, decode

from .images import exif, photo


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
    found, expected = usual_jpeg.pixels(content), decode(content)
    assert found is not None
    assert not isinstance(expected, RowFault)
    assert (found.dtype, found.shape) == (np.uint8, (size[1], size[0], 3))
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_what_is_no_colour_jpeg_is_left_to_pillow() -> None:
    png = io.BytesIO()
    photo(9, 9).save(png, "PNG")
    others = [jpeg(photo(9, 9).convert(mode)) for mode in ("L", "CMYK")]
    for content in (None, b"", b"\xff\xd8\xff", b"no photo", png.getvalue(), *others):
        assert usual_jpeg.pixels(content) is None


def test_a_photo_above_the_limit_of_pixels_is_left_to_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = jpeg(photo(40, 30))
    monkeypatch.setattr(usual_jpeg, "DEFAULT_MAX_PIXELS", 40 * 30)
    assert usual_jpeg.pixels(content) is not None
    monkeypatch.setattr(usual_jpeg, "DEFAULT_MAX_PIXELS", 40 * 30 - 1)
    assert usual_jpeg.pixels(content) is None


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_photo_whose_size_is_not_wanted_is_left_to_pillow(is_taken: bool) -> None:
    asked: list[tuple[int, int]] = []

    def takes(width: int, height: int) -> bool:
        asked.append((width, height))
        return is_taken

    assert (usual_jpeg.pixels(jpeg(photo(40, 30)), takes) is not None) is is_taken
    assert asked == [(40, 30)]


def test_exif_orientation_turns_nothing() -> None:
    content = jpeg(photo(40, 30), exif=b"Exif\0\0" + exif(6))
    found = usual_jpeg.pixels(content)
    assert found is not None
    np.testing.assert_array_equal(found, np.asarray(decode(content)))


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


def test_a_damaged_photo_is_never_read_otherwise_than_by_pillow() -> None:
    dice = random.Random(0)
    sources = [jpeg(photo(90, 70), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})]
    read = 0
    for _ in range(1500):
        content = damaged(dice.choice(sources), dice)
        found = usual_jpeg.pixels(content)
        if found is not None:
            expected = decode(content)
            assert not isinstance(expected, RowFault), content.hex()
            np.testing.assert_array_equal(found, np.asarray(expected))
            read += 1
    assert read > 100


def test_without_the_library_a_photo_that_it_would_decode_is_an_import_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, usual_jpeg.REQUIREMENT, None)
    with pytest.raises(ImportError, match="simplejpeg"):
        usual_jpeg.library()
    with pytest.raises(ImportError, match="simplejpeg"):
        usual_jpeg.pixels(jpeg(photo(9, 9)))
    assert usual_jpeg.pixels(b"no photo") is None
